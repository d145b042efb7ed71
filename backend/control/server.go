package control

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// ErrAlreadyRunning is returned by Listen if another service of this user has the socket.
var ErrAlreadyRunning = errors.New("another service is running")

const (
	headerTimeout = 5 * time.Second
	idleTimeout   = time.Minute
	endTimeout    = 200 * time.Millisecond // for requests under way when the service ends
)

// peerError is the key of the context value that says why the other end of a
// connection may not use the socket; nil: it may.
type peerError struct{}

// Serve serves h on a listener of [Listen] until ctx is done. Connections of
// other users are refused.
func Serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	guarded := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err, _ := r.Context().Value(peerError{}).(error); err != nil {
			log.Warn("refused a control connection", "error", err)
			refuse(w, http.StatusForbidden, "this socket is not yours")
			return
		}
		h.ServeHTTP(w, r)
	})
	return serveHTTP(ctx, l, &http.Server{
		Handler: guarded,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, peerError{}, checkPeer(c))
		},
	}, log)
}

// ServeLoopback serves h on a TCP listener of a loopback address until ctx is
// done. No web page can reach it: what a browser sends on behalf of one is refused.
func ServeLoopback(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	return serveHTTP(ctx, l, &http.Server{Handler: notFromWebPages(l.Addr(), h)}, log)
}

func serveHTTP(ctx context.Context, l net.Listener, server *http.Server, log *slog.Logger) error {
	server.ReadHeaderTimeout = headerTimeout
	server.IdleTimeout = idleTimeout
	server.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	server.BaseContext = func(net.Listener) context.Context { return ctx } // ends requests that watch
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		limited, cancel := context.WithTimeout(context.Background(), endTimeout)
		defer cancel()
		if server.Shutdown(limited) != nil {
			server.Close()
		}
	})
	err := server.Serve(l)
	if !stop() {
		<-ended
	}
	if err == http.ErrServerClosed {
		return nil
	}
	return err
}

// notFromWebPages refuses requests that name another host than the listener's
// own address (a page whose name was rebound to it), that have an Origin, or
// that a browser marks as made by a page.
func notFromWebPages(own net.Addr, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, err := netip.ParseAddrPort(r.Host)
		site := r.Header.Get("Sec-Fetch-Site")
		switch {
		case err != nil || host.String() != own.String():
			refuse(w, http.StatusForbidden, "the Host of a request must be "+own.String())
		case r.Header.Get("Origin") != "" || site != "" && site != "none":
			refuse(w, http.StatusForbidden, "web pages may not use this API")
		default:
			h.ServeHTTP(w, r)
		}
	})
}
