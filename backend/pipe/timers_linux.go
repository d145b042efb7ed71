package pipe

import (
	"container/heap"
	"time"
)

// timer is when a loop is to look at a flow or at a link again.
type timer struct {
	at    time.Time
	place int // in the heap, from 1; 0: it is not set
	flow  *flow
	link  *link
}

// timers are those that are set, the first one due in front (container/heap).
type timers []*timer

// set sets the timer, in place of when it was set for before.
func (t *timers) set(one *timer, at time.Time) {
	one.at = at
	if one.place > 0 {
		heap.Fix(t, one.place-1)
	} else {
		heap.Push(t, one)
	}
}

// stop does nothing if the timer is not set.
func (t *timers) stop(one *timer) {
	if one.place > 0 {
		heap.Remove(t, one.place-1)
	}
}

// next takes out the first one due.
func (t *timers) next() *timer { return heap.Pop(t).(*timer) }

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].at.Before(t[j].at) }

func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].place, t[j].place = i+1, j+1
}

func (t *timers) Push(x any) {
	one := x.(*timer)
	*t = append(*t, one)
	one.place = len(*t)
}

func (t *timers) Pop() any {
	last := len(*t) - 1
	one := (*t)[last]
	(*t)[last] = nil
	*t = (*t)[:last]
	one.place = 0
	return one
}
