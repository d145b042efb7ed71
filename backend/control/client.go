package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"time"

	"mycoproxy/backend"
)

const (
	dialTimeout = 5 * time.Second
	callTimeout = 10 * time.Second // of all but connect, which waits for proxies, and watch
	maxLine     = 16 << 20         // bytes of one snapshot
)

// Client is the [backend.Backend] of the service that has the control socket.
// Every method fails with [backend.ErrNotRunning] if there is none.
type Client struct{ http http.Client }

// NewClient returns a client of the socket in folder (see [Listen]).
func NewClient(folder string) *Client {
	return &Client{http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, dialTimeout)
			defer cancel()
			c, err := dial(ctx, folder)
			if errors.Is(err, fs.ErrPermission) {
				return nil, &backend.Error{Code: backend.Internal, Message: fmt.Sprintf("The control socket in %s is not yours", folder)}
			}
			if err != nil && ctx.Err() == nil {
				return nil, backend.ErrNotRunning
			}
			return c, err
		},
	}}}
}

// Close gives back the connections that are kept for the next call.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// State implements [backend.Backend].
func (c *Client) State(ctx context.Context) (s backend.State, err error) {
	err = c.call(ctx, http.MethodGet, pathState, &s)
	return s, err
}

// Peers implements [backend.Backend].
func (c *Client) Peers(ctx context.Context) (peers []backend.Proxy, err error) {
	err = c.call(ctx, http.MethodGet, pathPeers, &peers)
	return peers, err
}

// Connect implements [backend.Backend].
func (c *Client) Connect(ctx context.Context, remote netip.AddrPort) (got netip.AddrPort, err error) {
	var body struct {
		Remote *netip.AddrPort `json:"remote"`
	}
	if remote.IsValid() {
		body.Remote = &remote
	}
	err = c.exchange(ctx, http.MethodPost, pathProxy, body, &got)
	return got, err
}

// Disconnect implements [backend.Backend].
func (c *Client) Disconnect(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, pathProxy, nil)
}

// SetShare implements [backend.Backend].
func (c *Client) SetShare(ctx context.Context, share backend.Share) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return c.exchange(ctx, http.MethodPost, pathShare, map[string]backend.Share{"share": share}, nil)
}

// Shutdown ends the service, or makes the tray give up its own engine. It
// returns when nobody answers on the socket any more.
func (c *Client) Shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := c.exchange(ctx, http.MethodPost, pathEnd, nil, nil); err != nil {
		return err
	}
	err := c.Watch(ctx, func(backend.State) {})
	if errors.Is(err, backend.ErrNotRunning) || errors.Is(err, backend.ErrCrashed) {
		return nil
	}
	return err
}

// StartProbe implements [backend.Backend].
func (c *Client) StartProbe(ctx context.Context) error {
	return c.call(ctx, http.MethodGet, pathProbe, nil)
}

// StopProbe implements [backend.Backend].
func (c *Client) StopProbe(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, pathProbe, nil)
}

// ProbeNow implements [backend.Backend].
func (c *Client) ProbeNow(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, pathProbe, nil)
}

// Watch implements [backend.Backend]. It ends with [backend.ErrNotRunning] when
// the service does, or with [backend.ErrCrashed] if that took no leave.
func (c *Client) Watch(ctx context.Context, fn func(backend.State)) error {
	limited, cancel := context.WithCancel(ctx)
	defer cancel()
	late := time.AfterFunc(callTimeout, cancel)
	response, err := c.send(limited, http.MethodGet, pathWatch, nil)
	if !late.Stop() && ctx.Err() == nil {
		return errNoAnswer
	}
	if err != nil {
		return err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var s backend.State
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil && lines.Err() == nil {
			return fmt.Errorf("read a snapshot: %w", err)
		} else if err != nil {
			break // it was cut off
		}
		fn(s)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if lines.Err() != nil {
		return backend.ErrCrashed
	}
	return backend.ErrNotRunning
}

var errNoAnswer = &backend.Error{Code: backend.Internal, Message: fmt.Sprintf("The service does not answer within %v", callTimeout)}

// call is an exchange without a body that a service in good health answers at once.
func (c *Client) call(ctx context.Context, method, path string, out any) error {
	limited, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := c.exchange(limited, method, path, nil, out)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return errNoAnswer
	}
	return err
}

// exchange sends a request and reads the answer into out; nil: it is of no interest.
func (c *Client) exchange(ctx context.Context, method, path string, in, out any) error {
	response, err := c.send(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(response.Body).Decode(out); err != nil {
		return fmt.Errorf("read the service's answer: %w", err)
	}
	return nil
}

// send returns the response of a request that went well.
func (c *Client) send(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://mycoproxy"+path, body)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		var known *backend.Error
		switch {
		case errors.As(err, &known):
			return nil, known
		case ctx.Err() != nil:
			return nil, ctx.Err()
		default:
			return nil, backend.ErrNotRunning // it ended before it answered
		}
	}
	if response.StatusCode < 300 {
		return response, nil
	}
	defer response.Body.Close()
	var f failure
	if err := json.NewDecoder(response.Body).Decode(&f); err != nil || f.Message == "" {
		return nil, &backend.Error{Code: backend.Internal, Message: "The service answered " + response.Status}
	}
	return nil, &backend.Error{Code: f.Code, Message: f.Message}
}
