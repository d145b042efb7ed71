package engine

import (
	"testing"

	"mycoproxy/backend"
	"mycoproxy/backend/pipe"
)

func TestSparesOfEachRemote(t *testing.T) {
	for verdict, want := range map[backend.Verdict]pipe.Spares{
		backend.Valid:        pipe.GreetedSpares,
		backend.AuthRequired: pipe.DialledSpares,
		backend.NotAProxy:    pipe.DialledSpares,
		backend.Unknown:      pipe.DialledSpares,
		backend.NotListening: pipe.NoSpares,
	} {
		e, f := New(Config{Warm: true}), &forwarding{verdict: verdict}
		if got := e.spares(f); got != want {
			t.Errorf("a remote that is %v: %v, want %v", verdict, got, want)
		}
		if got := New(Config{}).spares(f); got != pipe.NoSpares {
			t.Errorf("not warm, a remote that is %v: %v", verdict, got)
		}
		f.checking = &checking{}
		if got := e.spares(f); got != pipe.NoSpares {
			t.Errorf("a remote under suspicion, last %v: %v", verdict, got)
		}
	}
}
