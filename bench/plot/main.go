// Plot draws what compare measured, and writes its table into a document, so
// that picture and table are of the same run.
//
//	plot JSON SVG DOCUMENT
package main

import (
	"fmt"
	"os"

	"mycoproxy/bench"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: plot JSON SVG DOCUMENT")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

func run(from, picture, document string) error {
	results, err := bench.Read(from)
	if err != nil {
		return err
	}
	svg, err := draw(results)
	if err != nil {
		return err
	}
	old, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	text, err := results.Insert(string(old))
	if err != nil {
		return fmt.Errorf("%s: %w", document, err)
	}
	if err := os.WriteFile(picture, svg, 0o644); err != nil {
		return err
	}
	return os.WriteFile(document, []byte(text), 0o644)
}
