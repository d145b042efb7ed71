package main

import (
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"mycoproxy/bench"
)

const (
	barWidth  = 27 * pixel
	barGap    = 4 * pixel
	titleSize = 15 * pixel
	textSize  = 13 * pixel
	smallSize = 11 * pixel
)

var (
	ink  = color.RGBA{0x24, 0x29, 0x2f, 0xff}
	pale = color.RGBA{0xe4, 0xe7, 0xeb, 0xff}

	// colors differ in lightness, too, for those who see hues alike.
	colors = map[string]color.Color{
		bench.Direct:  color.RGBA{0xc9, 0xce, 0xd4, 0xff},
		bench.Tokio:   color.RGBA{0xe5, 0x9a, 0x4f, 0xff},
		bench.HAProxy: color.RGBA{0x4f, 0x7f, 0xc0, 0xff},
		bench.Ours:    color.RGBA{0x1a, 0x6b, 0x35, 0xff},
	}
)

// groups are the numbers of streams, and what the groups of bars are called.
var groups = []struct {
	streams int
	name    string
}{{1, "1 stream"}, {8, "8 streams"}}

// panel shows the medians of one figure of bulk streams, for the forwarders that
// have it.
func panel(r *bench.Results, unit, title, axis string) (*plot.Plot, error) {
	var bars []plotter.Values
	var fills []color.Color
	highest := 0.0
	for _, forwarder := range r.Forwarders {
		var values plotter.Values
		for _, g := range groups {
			if v := r.Row(bench.Bulk, g.streams, unit).Median(forwarder); !math.IsNaN(v) {
				values = append(values, v)
				highest = max(highest, v)
			}
		}
		if len(values) == len(groups) {
			bars = append(bars, values)
			fills = append(fills, colors[forwarder])
		}
	}
	if highest == 0 {
		return nil, fmt.Errorf("the results have no %s", unit)
	}
	p := emptyPanel(title, axis)
	for i, values := range bars {
		offset := (vg.Length(i) - vg.Length(len(bars)-1)/2) * (barWidth + barGap)
		if err := addBars(p, values, fills[i], offset); err != nil {
			return nil, err
		}
	}
	p.X.Min, p.X.Max = -0.5, float64(len(groups))-0.5
	p.Y.Min, p.Y.Max = 0, highest*1.1 // room for the number above the highest bar
	return p, nil
}

// emptyPanel has the axes and horizontal lines behind the bars.
func emptyPanel(title, axis string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	p.Title.Text, p.Title.TextStyle.Font.Size, p.Title.Padding = title, titleSize, 12*pixel
	p.Y.Label.Text, p.Y.Label.TextStyle.Font.Size, p.Y.Label.Padding = axis, textSize, 6*pixel
	p.Y.Tick.Label.Font.Size, p.Y.Tick.Length, p.Y.LineStyle.Width = smallSize, 0, 0

	var names []string
	for _, g := range groups {
		names = append(names, g.name)
	}
	p.NominalX(names...)
	p.X.Tick.Label.Font.Size, p.X.Padding = textSize, 0
	p.X.Tick.LineStyle, p.X.Tick.Length = draw.LineStyle{Color: color.White, Width: pixel}, 6*pixel // for the room they take
	p.Y.Padding = 6 * pixel
	p.X.LineStyle = draw.LineStyle{Color: ink, Width: pixel}
	for _, style := range []*text.Style{&p.Title.TextStyle, &p.Y.Label.TextStyle, &p.Y.Tick.Label, &p.X.Tick.Label} {
		style.Color = ink
	}

	grid := plotter.NewGrid()
	grid.Vertical.Width = 0
	grid.Horizontal = draw.LineStyle{Color: pale, Width: pixel}
	p.Add(grid)
	return p
}

// addBars adds the bars of one forwarder, the same way off the middle of each
// group, with their numbers above them.
func addBars(p *plot.Plot, values plotter.Values, fill color.Color, offset vg.Length) error {
	bars, err := plotter.NewBarChart(values, barWidth)
	if err != nil {
		return err
	}
	bars.Color, bars.Offset, bars.LineStyle.Width = fill, offset, 0

	var at plotter.XYLabels
	for i, v := range values {
		at.XYs = append(at.XYs, plotter.XY{X: float64(i), Y: v})
		at.Labels = append(at.Labels, bench.Number(v))
	}
	numbers, err := plotter.NewLabels(at)
	if err != nil {
		return err
	}
	numbers.Offset = vg.Point{X: offset, Y: 3 * pixel}
	for i := range numbers.TextStyle {
		style := &numbers.TextStyle[i]
		style.Font, style.Color, style.XAlign = font.From(plot.DefaultFont, smallSize), ink, draw.XCenter
	}
	p.Add(bars, numbers)
	return nil
}

// drawLegend writes the forwarders' names in a line at the bottom of the page,
// in its middle.
func drawLegend(page draw.Canvas, forwarders []string) {
	const square, gap = 12 * pixel, 24 * pixel
	style := plot.New().Legend.TextStyle
	style.Font.Size, style.Color = textSize, ink

	space := func(name string) vg.Length { return square + square/2 + style.Width(name) }
	total := gap * vg.Length(len(forwarders)-1)
	for _, name := range forwarders {
		total += space(name)
	}
	x, y := page.Center().X-total/2, page.Min.Y+margin
	for _, name := range forwarders {
		page.SetColor(colors[name])
		page.Fill(vg.Rectangle{Min: vg.Point{X: x, Y: y}, Max: vg.Point{X: x + square, Y: y + square}}.Path())
		page.FillText(style, vg.Point{X: x + square + square/2, Y: y + 2*pixel}, name)
		x += space(name) + gap
	}
}
