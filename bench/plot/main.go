// Plot draws what compare measured: throughput, and the CPU time for it.
//
//	plot JSON SVG
package main

import (
	"bytes"
	"fmt"
	"image/color"
	"os"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"mycoproxy/bench"
)

const (
	pixel        = vg.Inch / 96
	width        = 760 * pixel
	height       = 340 * pixel
	margin       = 14 * pixel
	legendHeight = 44 * pixel
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: plot JSON SVG")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

func run(from, to string) error {
	results, err := bench.Read(from)
	if err != nil {
		return err
	}
	svg, err := picture(results)
	if err != nil {
		return err
	}
	return os.WriteFile(to, svg, 0o644)
}

// picture is an SVG of two panels beside each other, and a legend below them.
func picture(r *bench.Results) ([]byte, error) {
	plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"}
	throughput, err := panel(r, bench.GBPerSecond, "Throughput: more is better", "GB/s")
	if err != nil {
		return nil, err
	}
	effort, err := panel(r, bench.CPUPerGB, "CPU time: less is better", "seconds per GB")
	if err != nil {
		return nil, err
	}
	canvas := vgsvg.New(width, height)
	page := draw.New(canvas)
	page.SetColor(color.White) // the page around may be dark
	page.Fill(page.Rectangle.Path())
	panels := []*plot.Plot{throughput, effort}
	tiles := draw.Tiles{Rows: 1, Cols: len(panels), PadX: 2 * margin}
	for i, c := range plot.Align([][]*plot.Plot{panels}, tiles, draw.Crop(page, margin, -margin, legendHeight, -margin))[0] {
		panels[i].Draw(c)
	}
	drawLegend(page, r.Forwarders)
	return encode(canvas)
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
