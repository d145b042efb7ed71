package tray

import (
	"context"
	"fmt"
	"strings"
	"time"

	"mycoproxy/backend"
	"mycoproxy/notify"
)

// callLimit is how long what a click asks for may take, apart from dialogs.
const callLimit = 30 * time.Second

// do does what was clicked. What takes time becomes a task, and if it fails the
// user is told.
func (t *tray) do(a action) {
	b := t.backend
	switch a.verb {
	case connect:
		t.call(func(ctx context.Context) error { return second(b.Connect(ctx, a.remote)) })
	case disconnect:
		t.call(b.Disconnect)
	case askAddress:
		t.ask(func() error {
			return t.askAddress("Address of a SOCKS5 proxy, such as 407:8458:dbf5:4ed7::1 or 127.0.0.1:9050:", "")
		})
	case choose:
		proxies := t.model.state.Proxies
		t.ask(func() error { return t.choose(proxies) })
	case scanNow:
		t.call(b.ProbeNow)
	case setProbing:
		if a.on {
			t.call(b.StartProbe)
		} else {
			t.call(b.StopProbe)
		}
	case copyAddress:
		if at, ok := t.model.state.ApplicationAddress(); ok {
			t.call(func(ctx context.Context) error { return t.desktop.Copy(ctx, backend.ApplicationURL(at)) })
		}
	case setShare:
		share := backend.ShareOff
		if a.on {
			share = backend.ShareLAN
		}
		t.call(func(ctx context.Context) error { return b.SetShare(ctx, share) })
	case setAtLogin:
		t.setAtLogin(a.on)
	case setNotifications:
		t.setNotifications(a.on)
	case startService:
		t.call(t.login.Start)
	case quit:
		t.quit()
	case disconnectQuit:
		t.call(func(ctx context.Context) error {
			err := b.Disconnect(ctx)
			if err == nil {
				t.quit()
			}
			return err
		})
	}
}

// call runs f as a task, and tells the user if it fails.
func (t *tray) call(f func(context.Context) error) {
	t.tasks.Go(func() {
		ctx, cancel := context.WithTimeout(t.ctx, callLimit)
		defer cancel()
		t.tell(f(ctx))
	})
}

// ask runs f, which shows a dialog, as a task, unless a dialog is open.
func (t *tray) ask(f func() error) {
	if t.asking {
		return
	}
	t.asking = true
	t.tasks.Go(func() {
		t.tell(f())
		t.post(func() { t.asking = false })
	})
}

// tell tells the user what went wrong, if anything did and the tray goes on.
func (t *tray) tell(err error) {
	if err != nil && t.ctx.Err() == nil {
		t.log.Warn("a click failed", "error", err)
		t.notifier.Tell(notify.Failed(err))
	}
}

func second[T any](_ T, err error) error { return err }

// askAddress asks for an address and connects to it. It asks again if what was
// typed is not one that can be connected to.
func (t *tray) askAddress(text, initial string) error {
	answer, ok, err := t.desktop.Ask(t.ctx, "Mycoproxy", text, initial)
	if err != nil || !ok {
		return err
	}
	remote, err := backend.ParseAddress(strings.TrimSpace(answer))
	if err == nil {
		_, err = t.backend.Connect(t.ctx, remote)
	}
	if e := backend.AsError(err); e != nil && (e.Code == backend.BadAddress || e.Code == backend.OwnListener) {
		return t.askAddress(e.Message, answer)
	}
	return err
}

// choose asks for one of the proxies, and connects.
func (t *tray) choose(proxies []backend.Proxy) error {
	rows := make([][]string, len(proxies))
	for i, p := range proxies {
		needs := ""
		if p.Verdict == backend.AuthRequired {
			needs = "needs a password"
		}
		rows[i] = []string{p.Address.String(), p.RTT.String(), needs}
	}
	text := fmt.Sprintf("%d proxies, the fastest first:", len(proxies))
	i, ok, err := t.desktop.Choose(t.ctx, "Mycoproxy", text, []string{"Proxy", "Round trip", "Note"}, rows)
	if err != nil || !ok {
		return err
	}
	return second(t.backend.Connect(t.ctx, proxies[i].Address))
}

func (t *tray) setAtLogin(on bool) {
	change := t.login.Uninstall
	if on {
		change = t.login.Install
	}
	t.call(func(ctx context.Context) error {
		err := change(ctx)
		t.post(t.askLogin)
		return err
	})
}

func (t *tray) setNotifications(on bool) {
	t.model.notifications = on
	t.notifier.SetOn(on)
	if t.keepNotifications == nil {
		return
	}
	t.notificationsOn.Store(on)
	t.tasks.Go(func() {
		t.keeping.Lock()
		defer t.keeping.Unlock()
		if err := t.keepNotifications(t.notificationsOn.Load()); err != nil { // not on: a later click may come first
			t.tell(&backend.Error{Code: backend.StateUnsaved, Message: "The change could not be saved: " + err.Error()})
		}
	})
}
