//go:build !unix || darwin

package doctor

import "context"

// SessionBus returns nil: this system has no session bus.
func SessionBus() func(ctx context.Context, service string, startable bool) (bool, error) {
	return nil
}
