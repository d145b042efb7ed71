package engine

import (
	"testing"

	"mycoproxy/backend"
	"mycoproxy/backend/pipe/warm"
)

func TestIdleUpstreamsOfEachRemote(t *testing.T) {
	for verdict, want := range map[backend.Verdict]warm.Kind{
		backend.Valid:        warm.Greeted,
		backend.AuthRequired: warm.Dialled,
		backend.NotAProxy:    warm.Dialled,
		backend.Unknown:      warm.Dialled,
		backend.NotListening: warm.None,
	} {
		e, f := New(Config{Warm: true}), &forwarding{verdict: verdict}
		if got := e.idleKind(f); got != want {
			t.Errorf("a remote that is %v: %v, want %v", verdict, got, want)
		}
		if got := New(Config{}).idleKind(f); got != warm.None {
			t.Errorf("not warm, a remote that is %v: %v", verdict, got)
		}
		f.checking = &checking{}
		if got := e.idleKind(f); got != warm.None {
			t.Errorf("a remote under suspicion, last %v: %v", verdict, got)
		}
	}
}
