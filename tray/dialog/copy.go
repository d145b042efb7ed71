package dialog

import (
	"context"
	"errors"
	"fmt"

	"github.com/atotto/clipboard"
)

// Copy puts text on the clipboard. If the program that does so hangs, Copy
// returns when ctx ends all the same.
func Copy(ctx context.Context, text string) error {
	if clipboard.Unsupported {
		return errors.New("there is no program for the clipboard here: install xclip, xsel or wl-clipboard")
	}
	written := make(chan error, 1)
	go func() { written <- clipboard.WriteAll(text) }()
	select {
	case err := <-written:
		if err != nil {
			return fmt.Errorf("put %s on the clipboard: %w", text, err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("put %s on the clipboard: %w", text, ctx.Err())
	}
}
