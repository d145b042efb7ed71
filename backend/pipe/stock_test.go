package pipe

import (
	"slices"
	"testing"
	"time"
)

func TestAsManySparesAsStreamsWereOpened(t *testing.T) {
	now := time.Unix(1000, 0)
	var s spares[int]
	expect := func(kind Spares, greeted, dialled int) {
		t.Helper()
		if g, d := s.lacking(now, kind); g != greeted || d != dialled {
			t.Errorf("lacking %d greeted and %d dialled, want %d and %d", g, d, greeted, dialled)
		}
	}
	expect(GreetedSpares, 0, 0)
	s.note(now, true)
	s.note(now, true)
	s.note(now, false)
	expect(GreetedSpares, 2, 1)
	expect(DialledSpares, 0, 3)
	expect(NoSpares, 0, 0)
	s.add(now, 1, true)
	s.add(now, 2, false)
	expect(GreetedSpares, 1, 0)
	now = now.Add(demandWindow)
	expect(GreetedSpares, 0, 0)
	for range 3 * mostSpares {
		s.note(now, true)
	}
	expect(GreetedSpares, mostSpares-2, 0)
	s.rest(now)
	expect(GreetedSpares, 0, 0)
	now = now.Add(spareRest - 1)
	s.note(now, true)
	expect(GreetedSpares, 0, 0)
	now = now.Add(1)
	expect(GreetedSpares, 0, 0) // one was opened in the last ten seconds, and one there is
}

func TestTheOldestThatSuits(t *testing.T) {
	now := time.Unix(1000, 0)
	for _, c := range []struct {
		stock    []spare[int]
		opening  bool
		want     int // 0: none
		inTheWay []int
		left     int
	}{
		{nil, true, 0, nil, 0},
		{[]spare[int]{{conn: 1, greeted: true}, {conn: 2, greeted: true}}, true, 1, nil, 1},
		{[]spare[int]{{conn: 1, greeted: false}, {conn: 2, greeted: true}, {conn: 3, greeted: true}}, true, 2, []int{1}, 1},
		{[]spare[int]{{conn: 1, greeted: false}, {conn: 2, greeted: false}}, true, 1, nil, 1},
		{[]spare[int]{{conn: 1, greeted: true}, {conn: 2, greeted: false}, {conn: 3, greeted: true}}, false, 2, []int{1}, 1},
		{[]spare[int]{{conn: 1, greeted: true}, {conn: 2, greeted: true}}, false, 0, []int{1, 2}, 0},
	} {
		var s spares[int]
		for _, have := range c.stock {
			s.add(now, have.conn, have.greeted)
		}
		got, inTheWay, found := s.take(now.Add(spareLifetime), c.opening)
		if got != c.want || found != (c.want != 0) || !slices.Equal(inTheWay, c.inTheWay) || len(s.stock) != c.left {
			t.Errorf("%v, opening %v: took %d, in the way %v, left %v", c.stock, c.opening, got, inTheWay, s.stock)
		}
	}
}

// After the machine has slept, no timer having gone off, none is used.
func TestSparesOfBeforeTheSleep(t *testing.T) {
	now := time.Unix(1000, 0)
	var s spares[int]
	s.add(now, 1, true)
	s.add(now.Add(time.Second), 2, true)
	if _, inTheWay, found := s.take(now.Add(time.Hour), true); found || !slices.Equal(inTheWay, []int{1, 2}) {
		t.Errorf("found %v, in the way %v", found, inTheWay)
	}
}

func TestOpening(t *testing.T) {
	o := Opening{Sent: []byte{5, 1, 0}, Answer: []byte{5, 0}}
	for first, want := range map[string]bool{"\x05\x01\x00": true, "\x05\x01\x00more": true, "\x05\x01": false, "\x05\x02\x00\x01": false, "": false} {
		if o.begins([]byte(first)) != want {
			t.Errorf("%q: %v", first, !want)
		}
	}
	if (Opening{}).begins([]byte("x")) {
		t.Error("no opening begins everything")
	}
}
