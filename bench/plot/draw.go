package main

import (
	"bytes"
	"errors"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	vgdraw "gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"mycoproxy/bench"
)

const (
	pixel     = vg.Inch / 96
	width     = 800 * pixel
	margin    = 16 * pixel
	barHeight = 13 * pixel
	barGap    = 5 * pixel
	titleRoom = 36 * pixel // of a panel
	titleSize = 13 * pixel
	textSize  = 12 * pixel

	numberRoom = 1.18 // how long the axis is to the longest bar, so that its number fits beside it
)

var (
	ink   = color.RGBA{0x24, 0x29, 0x2f, 0xff}
	pale  = color.RGBA{0xb4, 0xbe, 0xca, 0xff} // for all bars but ours
	green = color.RGBA{0x1a, 0x6b, 0x35, 0xff}
)

// panel is one figure, a bar for each forwarder.
type panel struct {
	measurement string
	streams     int
	unit        string
	title       string
}

// page is where the panels are.
var page = [][]panel{
	{
		{bench.Bulk, 1, bench.GBPerSecond, "Bulk, 1 stream: GB/s (more is better)"},
		{bench.Bulk, 8, bench.GBPerSecond, "Bulk, 8 streams: GB/s (more is better)"},
	}, {
		{bench.Bulk, 1, bench.CPUPerGB, "Bulk, 1 stream: CPU s/GB (less is better)"},
		{bench.Bulk, 8, bench.CPUPerGB, "Bulk, 8 streams: CPU s/GB (less is better)"},
	}, {
		{bench.Paced, 1, bench.CPUPercent, "112 Mbit/s in pieces of 14 KB: CPU % (less is better)"},
		{bench.Drip, 1, bench.CPUPercent, "112 Mbit/s in pieces of 1.4 KB: CPU % (less is better)"},
	}, {
		{bench.Ping, 1, bench.Median, "Round trip, 1 stream: µs (less is better)"},
		{bench.Ping, 32, bench.Median, "Round trip, 32 streams: µs (less is better)"},
	}, {
		{bench.Conn, 16, bench.PerSecond, "Connections per second (more is better)"},
		{bench.Beside, 8, bench.PerSecond, "The same beside 8 bulk streams (more is better)"},
	},
}

// draw makes an SVG of all panels that have figures.
func draw(r *bench.Results) ([]byte, error) {
	plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"}
	var rows [][]*plot.Plot
	for _, panels := range page {
		row := make([]*plot.Plot, len(panels))
		for i, p := range panels {
			var err error
			if row[i], err = p.draw(r); err != nil {
				return nil, err
			}
		}
		if slices.ContainsFunc(row, func(p *plot.Plot) bool { return p != nil }) {
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		return nil, errors.New("the results have nothing to draw")
	}
	rowHeight := titleRoom + vg.Length(len(r.Forwarders))*(barHeight+barGap)
	canvas := vgsvg.New(width, vg.Length(len(rows))*(rowHeight+margin)+margin)
	whole := vgdraw.New(canvas)
	whole.SetColor(color.White) // the document around may be dark
	whole.Fill(whole.Rectangle.Path())
	tiles := vgdraw.Tiles{Rows: len(rows), Cols: len(rows[0]), PadX: 2 * margin, PadY: margin}
	for i, line := range plot.Align(rows, tiles, vgdraw.Crop(whole, margin, -margin, margin, -margin)) {
		for j, c := range line {
			if p := rows[i][j]; p != nil {
				p.Draw(c)
			}
		}
	}
	return encode(canvas)
}

// draw draws the medians, the first forwarder at the top; nil if there are none.
func (p panel) draw(r *bench.Results) (*plot.Plot, error) {
	row := r.Find(p.measurement, p.streams, p.unit)
	var names plot.ConstantTicks
	highest, top := 0.0, float64(len(r.Forwarders)-1)
	drawn := plot.New()
	for _, forwarder := range r.Forwarders {
		value := row.Median(forwarder)
		if math.IsNaN(value) {
			continue
		}
		y := top - float64(len(names))
		if err := addBar(drawn, forwarder, value, y); err != nil {
			return nil, err
		}
		names = append(names, plot.Tick{Value: y, Label: forwarder})
		highest = max(highest, value)
	}
	if len(names) == 0 {
		return nil, nil
	}
	drawn.BackgroundColor = nil
	drawn.Title.Text, drawn.Title.TextStyle.Font.Size, drawn.Title.Padding = p.title, titleSize, 6*pixel
	drawn.HideX()
	drawn.X.Min, drawn.X.Max = 0, highest*numberRoom
	drawn.Y.Min, drawn.Y.Max = -0.5, top+0.5
	drawn.Y.Tick.Marker, drawn.Y.Tick.Length, drawn.Y.Tick.LineStyle.Width = names, 0, 0
	drawn.Y.Tick.Label.Font.Size, drawn.Y.Padding, drawn.Y.LineStyle.Width = textSize, 4*pixel, 0
	drawn.Title.TextStyle.Color, drawn.Y.Tick.Label.Color = ink, ink
	return drawn, nil
}

// addBar adds one bar, with its number behind it.
func addBar(p *plot.Plot, forwarder string, value, y float64) error {
	bar, err := plotter.NewBarChart(plotter.Values{value}, barHeight)
	if err != nil {
		return err
	}
	bar.Horizontal, bar.XMin, bar.LineStyle.Width = true, y, 0
	bar.Color = pale
	if forwarder == bench.Ours {
		bar.Color = green
	}
	number, err := plotter.NewLabels(plotter.XYLabels{
		XYs:    plotter.XYs{{X: value, Y: y}},
		Labels: []string{bench.Number(value)},
	})
	if err != nil {
		return err
	}
	number.Offset.X = 4 * pixel
	number.TextStyle[0] = text.Style{
		Font: font.From(plot.DefaultFont, textSize), Color: ink, YAlign: vgdraw.YCenter, Handler: plot.DefaultTextHandler,
	}
	p.Add(bar, number)
	return nil
}

// encode names fonts for systems that lack the one that the texts were laid out
// with; the first of them is as wide.
func encode(canvas *vgsvg.Canvas) ([]byte, error) {
	var svg bytes.Buffer
	if _, err := canvas.WriteTo(&svg); err != nil {
		return nil, err
	}
	return bytes.ReplaceAll(svg.Bytes(), []byte("font-family:Liberation Sans;"),
		[]byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;")), nil
}
