package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
)

// The forwarders, by the names that tables and pictures give them.
const (
	Direct  = "direct"   // none in between
	Tokio   = "tokio"    // copy_bidirectional of tokio
	Realm   = "realm_io" // the same runtime, with splice
	HAProxy = "haproxy"
	Nginx   = "nginx"   // its stream module
	IOCopy  = "io.Copy" // two goroutines a stream, with what the standard library has
	Plain   = "plain"   // two goroutines a stream, with what makes them fast
	Ours    = "ours"
)

// peers are those that the table has a column of ratios for.
var peers = []string{Tokio, IOCopy, Plain}

// The measurements.
const (
	Bulk   = "bulk"   // one way, as fast as it goes
	Ping   = "ping"   // 64 bytes there and back
	Paced  = "paced"  // one way, 14 KB each millisecond
	Drip   = "drip"   // one way, 1,400 bytes each 0.1 ms
	Conn   = "conn"   // open, use once, close
	Beside = "beside" // the same while bulk streams run
	Idle   = "idle"   // open, use once, keep
	Held   = "held"   // bulk with one stream, while others are kept open
)

// The units that are asked for by name.
const (
	GBPerSecond = "GB/s"       // 10^9 bytes
	CPUPerGB    = "CPU s/GB"   // user and system time of the forwarder
	CPUPercent  = "CPU %"      // the same, of one core
	Median      = "p50 µs"     // of round trips
	PerSecond   = "per second" // connections
)

// Results are the figures of one run.
type Results struct {
	Cores      int      `json:"cores"`
	Seconds    float64  `json:"seconds"`    // for how long each measurement took
	Forwarders []string `json:"forwarders"` // in the order of the columns
	Rows       []*Row   `json:"rows"`
}

// Row is one figure of one measurement, for each round and forwarder.
type Row struct {
	Measurement string               `json:"measurement"`
	Streams     int                  `json:"streams"` // how many at a time
	Unit        string               `json:"unit"`
	Rounds      []map[string]float64 `json:"rounds"` // by forwarder, which is missing if it could not be measured
}

// Read reads results that [Results.Write] wrote.
func Read(file string) (*Results, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := new(Results)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	if len(r.Rows) == 0 || slices.Contains(r.Rows, nil) {
		return nil, fmt.Errorf("reading %s: %w", file, errors.New("these are no results"))
	}
	return r, nil
}

// Write writes the results to a file.
func (r *Results) Write(file string) error {
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(data, '\n'), 0o644)
}

// Find returns the row of a figure, an empty one if there is none.
func (r *Results) Find(measurement string, streams int, unit string) *Row {
	for _, row := range r.Rows {
		if row.Measurement == measurement && row.Streams == streams && row.Unit == unit {
			return row
		}
	}
	return &Row{Measurement: measurement, Streams: streams, Unit: unit}
}

// Row is Find, but a row that is new becomes the last.
func (r *Results) Row(measurement string, streams int, unit string) *Row {
	row := r.Find(measurement, streams, unit)
	if !slices.Contains(r.Rows, row) {
		r.Rows = append(r.Rows, row)
	}
	return row
}

// Set keeps the value of one forwarder in one round; the first round is 0.
func (r *Row) Set(round int, forwarder string, value float64) {
	for len(r.Rounds) <= round {
		r.Rounds = append(r.Rounds, map[string]float64{})
	}
	r.Rounds[round][forwarder] = value
}

// Median is the median of the rounds; NaN if there is none.
func (r *Row) Median(forwarder string) float64 {
	var values []float64
	for _, round := range r.Rounds {
		if v, ok := round[forwarder]; ok {
			values = append(values, v)
		}
	}
	return median(values)
}

// Ratio is the median of the ratios of a to b, each of one round, so that a
// noise that lasted for a round is in both; NaN if there is none.
func (r *Row) Ratio(a, b string) float64 {
	var ratios []float64
	for _, round := range r.Rounds {
		if x, ok := round[a]; ok && round[b] != 0 {
			ratios = append(ratios, x/round[b])
		}
	}
	return median(ratios)
}

func median(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
