package notify

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"mycoproxy/backend"
)

const (
	// gap is the least time between two notifications of a remote, or of a
	// service, that comes and goes.
	gap = time.Minute

	// replaceWait is how long the service has to find another remote before the
	// loss of the old one is told: slightly longer than a race.
	replaceWait = 6 * time.Second

	// restartWait is how long a service that ended has to come back before its
	// end is told.
	restartWait = 5 * time.Second

	// echoGap is how soon the same notification again is an echo: a click and
	// the state both tell of a port that is taken.
	echoGap = 5 * time.Second

	queueSize = 16
)

// Config is what a notifier is made of.
type Config struct {
	// Send shows a notification; it takes seconds at most. One goroutine calls it.
	Send func(context.Context, Notification) error
	// Off says that nothing is shown until [Notifier.SetOn] turns it on.
	Off bool
	// Log takes what an administrator wants to know; nil: nothing is logged.
	Log *slog.Logger
}

// Notifier tells the user what the states mean. Make it with [New]; it works
// while [Notifier.Run] runs. Its methods may be called from any goroutine; none
// waits for a notification to be shown.
type Notifier struct {
	show    func(context.Context, Notification) error
	log     *slog.Logger
	on      atomic.Bool
	states  chan backend.State
	notices chan Notification
	ended   chan struct{}

	// The fields below belong to Run.

	told    backend.State // what the user knows
	latest  backend.State
	heard   bool      // a service was heard
	pending Kind      // of what is held back
	since   time.Time // when that began; zero: nothing is held back
	passing time.Time // when a passing kind was told last
	stopped time.Time // when ServiceStopped was told last
	last    Notification
	lastAt  time.Time
	queue   chan Notification
}

// New returns a notifier that says nothing before Run.
func New(c Config) *Notifier {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	n := &Notifier{
		show:    c.Send,
		log:     c.Log,
		states:  make(chan backend.State),
		notices: make(chan Notification),
		ended:   make(chan struct{}),
		queue:   make(chan Notification, queueSize),
	}
	n.on.Store(!c.Off)
	return n
}

// SetOn turns notifications on or off. What happens while they are off is not
// told later.
func (n *Notifier) SetOn(on bool) { n.on.Store(on) }

// Update takes a new state: one from [backend.Backend.Watch], or the zero State
// when no service is heard. It waits for Run to begin, and does nothing once
// Run has ended.
func (n *Notifier) Update(s backend.State) {
	select {
	case n.states <- s:
	case <-n.ended:
	}
}

// Tell shows a notification that does not follow from a state, such as
// [Failed]; the zero Notification is not shown. It waits as Update does.
func (n *Notifier) Tell(note Notification) {
	select {
	case n.notices <- note:
	case <-n.ended:
	}
}

// Run works until ctx is done. It may be called once.
func (n *Notifier) Run(ctx context.Context) {
	var showing sync.WaitGroup
	defer showing.Wait()
	defer close(n.ended)
	showing.Go(func() { n.showQueue(ctx) })
	var held <-chan time.Time
	for {
		select {
		case n.latest = <-n.states:
			held = n.consider()
		case <-held:
			held = n.consider()
		case note := <-n.notices:
			n.enqueue(note)
		case <-ctx.Done():
			return
		}
	}
}

// consider tells what the newest state means to the user. If that is held back,
// it returns when to consider it again; nil: at the next state.
func (n *Notifier) consider() <-chan time.Time {
	known := n.told
	if n.heard && known.Phase == backend.Offline && n.latest.Phase != backend.Offline {
		known.Phase = backend.Disconnected // so that Diff does not take the new service's state for that at the start
	}
	n.heard = n.heard || n.latest.Phase != backend.Offline
	note := Diff(known, n.latest)
	if wait := n.wait(note); wait > 0 {
		return time.After(wait)
	}
	n.told, n.since = n.latest, time.Time{}
	switch {
	case note.Kind.isPassing():
		n.passing = time.Now()
	case note.Kind == ServiceStopped:
		n.stopped = time.Now()
	case note.Kind == Connected:
		n.passing = time.Time{} // what comes next is about another remote
	}
	n.enqueue(note)
	return nil
}

// wait is how long to hold the notification back; zero or less: not at all.
func (n *Notifier) wait(note Notification) time.Duration {
	if n.since.IsZero() || note.Kind != n.pending {
		n.since, n.pending = time.Now(), note.Kind
	}
	held := time.Since(n.since)
	switch {
	case note.Kind == ServiceStopped:
		return max(restartWait-held, gap-time.Since(n.stopped))
	case n.latest.Phase == backend.Offline && n.told.Phase != backend.Offline:
		return restartWait - held // another service may be about to take over
	case note.Kind == Gone && n.latest.Remote.Mode == backend.Auto && hasOther(n.latest):
		return max(replaceWait-held, gap-time.Since(n.passing))
	case note.Kind.isPassing():
		return gap - time.Since(n.passing)
	default:
		return 0
	}
}

// hasOther reports whether a valid proxy is known that is not the remote.
func hasOther(s backend.State) bool {
	for _, p := range s.Proxies {
		if p.Verdict == backend.Valid && p.Address != s.Remote.Address {
			return true
		}
	}
	return false
}

// enqueue has a notification shown, unless it is an echo, notifications are off,
// or too many wait.
func (n *Notifier) enqueue(note Notification) {
	isEcho := note == n.last && note.Kind != Connected && time.Since(n.lastAt) < echoGap
	if note == (Notification{}) || isEcho || !n.on.Load() {
		return
	}
	n.last, n.lastAt = note, time.Now()
	select {
	case n.queue <- note:
	default:
		n.log.Warn("notification dropped, too many wait", "title", note.Title)
	}
}

// showQueue shows what is in the queue. A fault that lasts is logged once.
func (n *Notifier) showQueue(ctx context.Context) {
	fault := ""
	for {
		select {
		case note := <-n.queue:
			err := n.show(ctx, note)
			switch {
			case err == nil:
				fault = ""
			case ctx.Err() == nil && err.Error() != fault:
				fault = err.Error()
				n.log.Warn("notifications cannot be shown", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}
