//go:build windows || (darwin && cgo)

package tray

import (
	"context"
	"log/slog"

	"mycoproxy/notify"
)

// host is what shows icons; these systems always have it.
type host struct{ err error }

func findHost(context.Context, *slog.Logger) (*host, error) { return &host{}, nil }

func (*host) watch(context.Context, *notify.Notifier, func()) {}
