//go:build darwin && !cgo

package tray

import (
	"context"
	"fmt"
)

// Run always fails: on macOS a tray needs cgo, and this program was built without.
func Run(context.Context, Config) error {
	return fmt.Errorf("%w: this program was built without cgo", ErrNoDesktop)
}
