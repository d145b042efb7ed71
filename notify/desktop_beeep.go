//go:build windows || darwin

package notify

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/gen2brain/beeep"
)

const callLimit = 5 * time.Second

// Desktop shows notifications as the system does. It is for use by one goroutine.
type Desktop struct {
	icon []byte
	busy chan struct{} // holds a token while a call is under way
}

// NewDesktop returns a desktop whose notifications show the icon, a PNG; nil: none.
// A process makes one, because the name of the sender is a global of beeep's.
func NewDesktop(icon []byte) *Desktop {
	beeep.AppName = appName
	return &Desktop{icon: icon, busy: make(chan struct{}, 1)}
}

// Notify shows the notification. It takes five seconds at most; a call of the
// system that takes longer goes on, and until it ends Notify fails.
func (d *Desktop) Notify(ctx context.Context, n Notification) error {
	icon, err := d.picture()
	if err != nil {
		return fmt.Errorf("keep the notifications' icon: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	select {
	case d.busy <- struct{}{}:
	default:
		return fmt.Errorf("show a notification: the one before is still under way")
	}
	n = n.plain()
	done := make(chan error, 1)
	go func() {
		defer func() { <-d.busy }()
		done <- beeep.Notify(n.Title, n.Body, icon)
	}()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("show a notification: %w", err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("show a notification: %w", ctx.Err())
	}
}

// Close does nothing; on other systems there is a connection to close.
func (d *Desktop) Close() error { return nil }

// picture is the icon as beeep wants it: on Windows the name of a file that stays,
// because beeep writes it to the registry, elsewhere its bytes.
func (d *Desktop) picture() (any, error) {
	if runtime.GOOS != "windows" {
		return d.icon, nil
	}
	if d.icon == nil {
		return "", nil
	}
	folder, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(folder, "mycoproxy", "notification.png")
	if kept, err := os.ReadFile(file); err == nil && bytes.Equal(kept, d.icon) {
		return file, nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, err
	}
	return file, os.WriteFile(file, d.icon, 0o600)
}
