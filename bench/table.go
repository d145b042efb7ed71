package bench

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Text is the table of medians for a terminal.
func (r *Results) Text() string {
	return lines(r.cells(), "", "  ", "")
}

// The lines of a document between which Insert puts the table.
const (
	tableBegin = "<!-- the table that make compare writes -->\n"
	tableEnd   = "<!-- its end -->\n"
)

// Insert puts the table, in Markdown, in place of the one that a document has.
func (r *Results) Insert(document string) (string, error) {
	before, rest, begins := strings.Cut(document, tableBegin)
	_, after, ends := strings.Cut(rest, tableEnd)
	if !begins || !ends {
		return "", errors.New("the document has no place for the table")
	}
	return before + tableBegin + "\n" + r.Markdown() + "\n" + tableEnd + after, nil
}

// Markdown is the same table in Markdown. It reads well unrendered, too.
func (r *Results) Markdown() string {
	cells := r.cells()
	rule := []string{"---"}
	for range cells[0][1:] {
		rule = append(rule, "---:")
	}
	return lines(append([][]string{cells[0], rule}, cells[1:]...), "| ", " | ", " |")
}

// cells are the rows of the table, the header first.
func (r *Results) cells() [][]string {
	header := append([]string{""}, r.Forwarders...)
	for _, peer := range peers {
		header = append(header, Ours+"/"+peer)
	}
	cells := [][]string{header}
	for _, row := range r.Rows {
		line := []string{row.title()}
		for _, forwarder := range r.Forwarders {
			line = append(line, Number(row.Median(forwarder)))
		}
		for _, peer := range peers {
			line = append(line, Number(row.Ratio(Ours, peer)))
		}
		cells = append(cells, line)
	}
	return cells
}

// title says what is measured, and its unit.
func (r *Row) title() string {
	streams := fmt.Sprintf("%d streams", r.Streams)
	if r.Streams == 1 {
		streams = "1 stream"
	}
	what := r.Measurement + ", " + streams
	switch r.Measurement {
	case Conn:
		what = fmt.Sprintf("connections, %d at a time", r.Streams)
	case Beside:
		what = "connections beside " + streams + " of bulk"
	case Held:
		what = fmt.Sprintf("bulk, 1 stream beside %d idle", r.Streams)
	}
	return what + ": " + r.Unit
}

// Number has three digits that count, all of those before the point, and is
// empty for NaN.
func Number(v float64) string {
	decimals := 3
	switch {
	case math.IsNaN(v):
		return ""
	case v == 0, v >= 100:
		decimals = 0
	case v >= 10:
		decimals = 1
	case v >= 1:
		decimals = 2
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

// lines aligns the first column to the left, the others to the right.
func lines(cells [][]string, before, between, after string) string {
	widths := make([]int, len(cells[0]))
	for _, line := range cells {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, line := range cells {
		padded := []string{fmt.Sprintf("%-*s", widths[0], line[0])}
		for i, cell := range line[1:] {
			padded = append(padded, fmt.Sprintf("%*s", widths[i+1], cell))
		}
		b.WriteString(before + strings.Join(padded, between) + after + "\n")
	}
	return b.String()
}
