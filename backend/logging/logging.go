// Package logging makes loggers that never wait. Sessions are forwarded by whoever
// logs, and a terminal stopped with Ctrl-S, a full pipe or a slow disk must not
// stop them: what cannot be written soon enough is dropped, and how many lines
// that were is said in their place.
package logging

import (
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	// maxLines is how many lines wait for a writer at most.
	maxLines = 1000

	// closeLimit is how long the last lines may take.
	closeLimit = time.Second
)

// New makes a logger that writes text to each of the writers, whether the others
// can be written or not. The caller calls done when nothing logs any more: it
// returns when all lines are written, or after a second.
func New(level slog.Level, to ...io.Writer) (log *slog.Logger, done func()) {
	var queues []*queue
	var writers []io.Writer
	for _, w := range to {
		q := startQueue(w)
		queues, writers = append(queues, q), append(writers, q)
	}
	log = slog.New(slog.NewTextHandler(io.MultiWriter(writers...), &slog.HandlerOptions{Level: level}))
	return log, func() {
		for _, q := range queues {
			q.finish()
		}
		late := time.NewTimer(closeLimit)
		defer late.Stop()
		for _, q := range queues {
			select {
			case <-q.ended:
			case <-late.C:
				return
			}
		}
	}
}

// queue holds the lines that wait for one writer.
type queue struct {
	changed *sync.Cond // its lock guards the fields below
	lines   [][]byte
	dropped int // lines that came after those
	isLast  bool

	ended chan struct{} // closed when the last line is written
}

func startQueue(to io.Writer) *queue {
	q := &queue{changed: sync.NewCond(new(sync.Mutex)), ended: make(chan struct{})}
	go q.write(to)
	return q
}

// Write implements [io.Writer] for a slog handler, which gives it one line at a
// time. It neither waits nor fails.
func (q *queue) Write(line []byte) (int, error) {
	q.changed.L.Lock()
	defer q.changed.L.Unlock()
	if q.dropped > 0 || len(q.lines) >= maxLines {
		q.dropped++
	} else {
		q.lines = append(q.lines, append([]byte(nil), line...))
	}
	q.changed.Signal()
	return len(line), nil
}

// finish has the queue end when it is empty.
func (q *queue) finish() {
	q.changed.L.Lock()
	defer q.changed.L.Unlock()
	q.isLast = true
	q.changed.Signal()
}

// write writes what comes, and where lines were dropped how many.
func (q *queue) write(to io.Writer) {
	defer close(q.ended)
	own := slog.New(slog.NewTextHandler(to, nil))
	for {
		lines, dropped := q.take()
		if len(lines) == 0 {
			return
		}
		for _, line := range lines {
			to.Write(line)
		}
		if dropped > 0 {
			own.Warn("lines of the log were dropped: it could not be written fast enough", "lines", dropped)
		}
	}
}

// take waits for lines and takes all. There are none when the queue has ended.
func (q *queue) take() (lines [][]byte, dropped int) {
	q.changed.L.Lock()
	defer q.changed.L.Unlock()
	for len(q.lines) == 0 && !q.isLast {
		q.changed.Wait()
	}
	lines, dropped = q.lines, q.dropped
	q.lines, q.dropped = nil, 0
	return lines, dropped
}
