package engine

import (
	"sync"

	"mycoproxy/backend"
)

// cell holds the latest state. Any number of watchers may wait for the next
// one; a slow watcher skips to the newest.
type cell struct {
	mu      sync.Mutex
	state   backend.State
	changed chan struct{} // closed when state is replaced
}

func (c *cell) store(s backend.State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = s
	if c.changed != nil {
		close(c.changed)
	}
	c.changed = make(chan struct{})
}

func (c *cell) load() (s backend.State, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state, c.changed
}
