package main

import (
	"errors"
	"testing"

	"mycoproxy/backend"
	"mycoproxy/backend/daemon"
	"mycoproxy/backend/settings"
)

// What keeps a service away is told in a sentence, once.
func TestExplain(t *testing.T) {
	answered := &backend.Error{Code: backend.Internal, Message: "The service answered 404 Not Found"}
	for _, c := range []struct {
		err  error
		want backend.Error
	}{
		{&daemon.ServeError{Err: errors.New("no way")}, backend.Error{Code: backend.NotRunning, Message: "The service cannot run: no way"}},
		{&daemon.ServeError{Err: answered}, backend.Error{Code: backend.NotRunning, Message: "The service cannot run: " + answered.Message}},
		{daemon.ErrStopped, backend.Error{Code: backend.NotRunning, Message: "It is installed, but does not run; its log may say why: " + settings.LogFile()}},
		{backend.ErrCrashed, *backend.ErrCrashed},
		{answered, *answered},
	} {
		if got := explain(c.err); *got != c.want {
			t.Errorf("%v is explained as %+v, want %+v", c.err, *got, c.want)
		}
	}
}
