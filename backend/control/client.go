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
	dialTimeout    = 5 * time.Second
	callTimeout    = 10 * time.Second // for the answer to any call but a connect
	connectTimeout = 30 * time.Second // for the answer to a connect, which waits for proxies
	maxLine        = 16 << 20         // bytes of one snapshot
)

// Client is the [backend.Backend] of the service that has the control socket.
// Every method fails with [backend.ErrNotRunning] if there is none, and with an
// error of code [backend.Internal] if it does not answer in time.
type Client struct{ http http.Client }

// NewClient returns a client of the socket in folder (see [Listen]).
func NewClient(folder string) *Client {
	return &Client{http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			limited, cancel := context.WithTimeout(ctx, dialTimeout)
			defer cancel()
			c, err := dial(limited, folder)
			switch {
			case err == nil:
				return c, nil
			case errors.Is(err, fs.ErrPermission):
				return nil, &backend.Error{Code: backend.Internal, Message: fmt.Sprintf("The control socket in %s is not yours", folder)}
			case limited.Err() != nil:
				return nil, tooSlow("answer", dialTimeout)
			default:
				return nil, backend.ErrNotRunning
			}
		},
	}}}
}

// Close gives back the connections that are kept for the next call.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// State implements [backend.Backend].
func (c *Client) State(ctx context.Context) (s backend.State, err error) {
	err = c.call(ctx, callTimeout, http.MethodGet, pathState, nil, &s)
	return s, err
}

// Peers implements [backend.Backend].
func (c *Client) Peers(ctx context.Context) (peers []backend.Proxy, err error) {
	err = c.call(ctx, callTimeout, http.MethodGet, pathPeers, nil, &peers)
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
	err = c.call(ctx, connectTimeout, http.MethodPost, pathProxy, body, &got)
	return got, err
}

// Disconnect implements [backend.Backend].
func (c *Client) Disconnect(ctx context.Context) error {
	return c.call(ctx, callTimeout, http.MethodDelete, pathProxy, nil, nil)
}

// SetShare implements [backend.Backend].
func (c *Client) SetShare(ctx context.Context, share backend.Share) error {
	return c.call(ctx, callTimeout, http.MethodPost, pathShare, map[string]backend.Share{"share": share}, nil)
}

// Shutdown ends the service, or makes a tray that does the service's work give
// that up. It returns when the service takes no more commands; its port and its
// socket are free soon after that.
func (c *Client) Shutdown(ctx context.Context) error {
	if err := c.call(ctx, callTimeout, http.MethodPost, pathEnd, nil, nil); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := c.Watch(limited, func(backend.State) {})
	switch {
	case errors.Is(err, backend.ErrNotRunning) || errors.Is(err, backend.ErrCrashed):
		return nil
	case limited.Err() != nil && ctx.Err() == nil:
		return tooSlow("end", callTimeout)
	default:
		return err
	}
}

// StartProbe implements [backend.Backend].
func (c *Client) StartProbe(ctx context.Context) error {
	return c.call(ctx, callTimeout, http.MethodGet, pathProbe, nil, nil)
}

// StopProbe implements [backend.Backend].
func (c *Client) StopProbe(ctx context.Context) error {
	return c.call(ctx, callTimeout, http.MethodDelete, pathProbe, nil, nil)
}

// ProbeNow implements [backend.Backend].
func (c *Client) ProbeNow(ctx context.Context) error {
	return c.call(ctx, callTimeout, http.MethodPost, pathProbe, nil, nil)
}

// Watch implements [backend.Backend]. It ends with [backend.ErrNotRunning] when
// the service ends as it should, and with [backend.ErrCrashed] if the connection
// breaks in the middle of the answer.
func (c *Client) Watch(ctx context.Context, fn func(backend.State)) error {
	limited, cancel := context.WithCancel(ctx)
	defer cancel()
	late := time.AfterFunc(callTimeout, cancel) // until the answer begins
	response, err := c.send(limited, http.MethodGet, pathWatch, nil)
	if !late.Stop() && ctx.Err() == nil {
		return tooSlow("answer", callTimeout)
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
			return &backend.Error{Code: backend.Internal, Message: "The service cannot be followed: read a snapshot: " + err.Error()}
		} else if err != nil {
			break // the connection broke within the line
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

// tooSlow is the error of a service that does not do what it must within limit.
func tooSlow(what string, limit time.Duration) error {
	return &backend.Error{Code: backend.Internal, Message: fmt.Sprintf("The service does not %s within %v", what, limit)}
}

// call sends a request and reads the answer into out; nil: it is of no interest.
func (c *Client) call(ctx context.Context, limit time.Duration, method, path string, in, out any) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	response, err := c.send(limited, method, path, in)
	if err == nil {
		defer response.Body.Close()
		if out != nil {
			err = json.NewDecoder(response.Body).Decode(out)
		}
		if err != nil {
			err = fmt.Errorf("read the service's answer: %w", err)
		}
	}
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return tooSlow("answer", limit)
	}
	return err
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
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.As(err, &known): // by the dialling function of NewClient
			return nil, known
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
