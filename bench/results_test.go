package bench

import (
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 3, 2}, 2.5},
	} {
		if got := median(c.values); got != c.want {
			t.Errorf("median of %v: %v, want %v", c.values, got, c.want)
		}
	}
	if got := median(nil); !math.IsNaN(got) {
		t.Errorf("median of nothing: %v", got)
	}
}

// The ratio of the medians would be 2/3.
func TestRatioIsOfPairs(t *testing.T) {
	row := &Row{Rounds: []map[string]float64{
		{Ours: 1, Tokio: 1},
		{Ours: 2, Tokio: 5},
		{Ours: 9, Tokio: 9},
		{Ours: 7},
		{Tokio: 3},
		{Ours: 1, Tokio: 0},
	}}
	if got := row.Ratio(Ours, Tokio); got != 1 {
		t.Errorf("ratio %v, want 1", got)
	}
	if got := row.Ratio(Ours, HAProxy); !math.IsNaN(got) {
		t.Errorf("ratio to nothing: %v", got)
	}
	if got := row.Median(Ours); got != 2 {
		t.Errorf("median %v, want 2", got)
	}
}

func sample() *Results {
	r := &Results{Cores: 2, Seconds: 0.5, Forwarders: []string{Direct, Tokio, Ours}}
	row := r.Row(Bulk, 1, GBPerSecond)
	row.Set(0, Tokio, 2)
	row.Set(1, Ours, 6)
	row.Set(1, Tokio, 4)
	r.Row(Bulk, 1, GBPerSecond).Set(1, Direct, 12.34)
	r.Row(Conn, 16, "µs").Set(0, Ours, 1234)
	return r
}

func TestWriteAndRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.json")
	want := sample()
	if err := want.Write(file); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(file); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, %v; wrote %+v", got, err, want)
	}
}

func TestReadRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.json")
	for _, text := range []string{"", "[]", "{}", `{"rows": [null]}`, `{"rows": [{"rounds": 1}]}`} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if r, err := Read(file); err == nil {
			t.Errorf("%q was read as %+v", text, r)
		}
	}
}

func TestTables(t *testing.T) {
	text := `
                               direct  tokio  ours  ours/tokio  ours/io.Copy  ours/plain
bulk, 1 stream: GB/s             12.3   3.00  6.00        1.50                          
connections, 16 at a time: µs                 1234                                      ` + "\n"
	if got := sample().Text(); got != text[1:] {
		t.Errorf("text:\n%s\nwant:\n%s", got, text)
	}
	if got := sample().Markdown(); got != markdown {
		t.Errorf("markdown:\n%s\nwant:\n%s", got, markdown)
	}
}

const markdown = `|                               | direct | tokio | ours | ours/tokio | ours/io.Copy | ours/plain |
| ---                           |   ---: |  ---: | ---: |       ---: |         ---: |       ---: |
| bulk, 1 stream: GB/s          |   12.3 |  3.00 | 6.00 |       1.50 |              |            |
| connections, 16 at a time: µs |        |       | 1234 |            |              |            |
`

func TestRatioToEachPeer(t *testing.T) {
	r := &Results{Forwarders: []string{Tokio, IOCopy, Plain, Ours}}
	row := r.Row(Paced, 4, CPUPercent)
	for forwarder, value := range map[string]float64{Tokio: 8, IOCopy: 2, Plain: 1, Ours: 4} {
		row.Set(0, forwarder, value)
	}
	want := []string{"paced, 4 streams: CPU %", "8.00", "2.00", "1.00", "4.00", "0.500", "2.00", "4.00"}
	if got := r.cells()[1]; !slices.Equal(got, want) {
		t.Errorf("cells %q, want %q", got, want)
	}
}

func TestTitles(t *testing.T) {
	for want, row := range map[string]Row{
		"ping, 32 streams: p50 µs":                     {Measurement: Ping, Streams: 32, Unit: Median},
		"drip, 1 stream: CPU %":                        {Measurement: Drip, Streams: 1, Unit: CPUPercent},
		"connections, 16 at a time: per second":        {Measurement: Conn, Streams: 16, Unit: PerSecond},
		"connections beside 8 streams of bulk: failed": {Measurement: Beside, Streams: 8, Unit: "failed"},
		"bulk, 1 stream beside 9000 idle: GB/s":        {Measurement: Held, Streams: 9000, Unit: GBPerSecond},
	} {
		if got := row.title(); got != want {
			t.Errorf("title %q, want %q", got, want)
		}
	}
}

func TestInsert(t *testing.T) {
	want := "before\n" + tableBegin + "\n" + markdown + "\n" + tableEnd + "after\n"
	document := "before\n" + tableBegin + "whatever was\nthere\n" + tableEnd + "after\n"
	for range 2 { // what was inserted can be replaced
		got, err := sample().Insert(document)
		if err != nil || got != want {
			t.Fatalf("%v, text:\n%s\nwant:\n%s", err, got, want)
		}
		document = got
	}
	for _, document := range []string{"", tableBegin, tableEnd, tableEnd + tableBegin} {
		if got, err := sample().Insert(document); err == nil {
			t.Errorf("inserted into %q: %q", document, got)
		}
	}
}
