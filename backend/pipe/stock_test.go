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
	s.add(1, true)
	s.add(2, false)
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
	for _, c := range []struct {
		stock    []spare[int]
		opening  bool
		want     int // 0: none
		inTheWay []int
		left     int
	}{
		{nil, true, 0, nil, 0},
		{[]spare[int]{{1, true}, {2, true}}, true, 1, nil, 1},
		{[]spare[int]{{1, false}, {2, true}, {3, true}}, true, 2, []int{1}, 1},
		{[]spare[int]{{1, false}, {2, false}}, true, 1, nil, 1},
		{[]spare[int]{{1, true}, {2, false}, {3, true}}, false, 2, []int{1}, 1},
		{[]spare[int]{{1, true}, {2, true}}, false, 0, []int{1, 2}, 0},
	} {
		s := spares[int]{stock: slices.Clone(c.stock)}
		got, inTheWay, found := s.take(c.opening)
		if got != c.want || found != (c.want != 0) || !slices.Equal(inTheWay, c.inTheWay) || len(s.stock) != c.left {
			t.Errorf("%v, opening %v: took %d, in the way %v, left %v", c.stock, c.opening, got, inTheWay, s.stock)
		}
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
