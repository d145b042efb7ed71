package pipe

import (
	"bytes"
	"slices"
	"time"
)

const (
	mostSpares    = 8
	demandWindow  = 10 * time.Second // as many spares as streams were opened in it
	spareLifetime = 20 * time.Second // an older one is closed
	spareRest     = 10 * time.Second // no new ones for so long after one that failed
	answerLimit   = 2 * time.Second  // for the answer to a spare's opening

	replacementLimit = 5 * time.Second // for the answer to the opening where a stream waits for it

	firstBytesLimit = time.Second     // for how long a stream may be silent and still be given a greeted spare
	ackLimit        = 3 * time.Second // for what was written to a spare to be acknowledged
	replayLimit     = 16 << 10        // bytes that a stream on a spare may send and still be given another connection
)

// spares is the stock of spare connections, each a C, and the count of who
// would have wanted one. It dials and closes nothing itself.
type spares[C comparable] struct {
	stock     []spare[C] // oldest first
	opened    [mostSpares]opened
	next      int       // index in opened
	restUntil time.Time // one has failed
}

type spare[C comparable] struct {
	conn    C
	greeted bool
	born    time.Time // by the clock on the wall, which goes on while the machine sleeps
}

// opened is when a stream was opened, and whether with the [Opening].
type opened struct {
	at      time.Time
	opening bool
}

// note counts a stream that was opened now.
func (s *spares[C]) note(now time.Time, opening bool) {
	s.opened[s.next] = opened{now, opening}
	s.next = (s.next + 1) % len(s.opened)
}

// lacking is how many spares should be made now.
func (s *spares[C]) lacking(now time.Time, kind Spares) (greeted, dialled int) {
	if kind == NoSpares || now.Before(s.restUntil) {
		return 0, 0
	}
	for _, o := range s.opened {
		switch {
		case o.at.IsZero() || now.Sub(o.at) >= demandWindow:
		case o.opening && kind == GreetedSpares:
			greeted++
		default:
			dialled++
		}
	}
	for _, have := range s.stock {
		if have.greeted {
			greeted--
		} else {
			dialled--
		}
	}
	room := mostSpares - len(s.stock)
	greeted = max(0, min(greeted, room))
	return greeted, max(0, min(dialled, room-greeted))
}

// add puts a connection that is dialled now into the stock.
func (s *spares[C]) add(now time.Time, conn C, greeted bool) {
	s.stock = append(s.stock, spare[C]{conn, greeted, now.Round(0)})
}

// remove reports whether conn was in the stock, where it is not any more.
func (s *spares[C]) remove(conn C) bool {
	before := len(s.stock)
	s.stock = slices.DeleteFunc(s.stock, func(have spare[C]) bool { return have.conn == conn })
	return len(s.stock) < before
}

// take takes the oldest spare that suits a stream, which begins with the
// opening or not. In the way are those that must be closed before the stream
// goes on: a remote that serves one connection at a time would serve them
// first, and wait for what they never say.
func (s *spares[C]) take(now time.Time, opening bool) (conn C, inTheWay []C, ok bool) {
	if len(s.stock) > 0 && now.Round(0).Sub(s.stock[0].born) > spareLifetime {
		return conn, s.clear(), false // the machine has slept
	}
	i := -1
	if opening {
		i = slices.IndexFunc(s.stock, func(have spare[C]) bool { return have.greeted })
	}
	if i < 0 {
		i = slices.IndexFunc(s.stock, func(have spare[C]) bool { return !have.greeted })
	}
	if i < 0 {
		return conn, s.clear(), false
	}
	conn = s.stock[i].conn
	for _, older := range s.stock[:i] {
		inTheWay = append(inTheWay, older.conn)
	}
	s.stock = append(s.stock[:0], s.stock[i+1:]...)
	return conn, inTheWay, true
}

// rest makes the stock wait before it is filled again.
func (s *spares[C]) rest(now time.Time) { s.restUntil = now.Add(spareRest) }

// clear empties the stock and returns what was in it.
func (s *spares[C]) clear() (all []C) {
	for _, have := range s.stock {
		all = append(all, have.conn)
	}
	s.stock = s.stock[:0]
	return all
}

// begins reports whether first, a client's first bytes, are the opening.
func (o Opening) begins(first []byte) bool {
	return len(o.Sent) > 0 && bytes.HasPrefix(first, o.Sent)
}
