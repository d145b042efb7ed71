package pipe

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"mycoproxy/backend"
)

// stream forwards one connection until both directions have ended.
func (f *Forwarder) stream(client net.Conn) {
	remote, target := f.dialRemote()
	if remote == nil {
		reset(client)
		return
	}
	stop := context.AfterFunc(target.ctx, func() {
		reset(client)
		reset(remote)
	})
	defer func() {
		stop()
		client.Close()
		remote.Close()
	}()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		forward(remote, client, &f.Counters.up)
	}()
	forward(client, remote, &f.Counters.down)
	<-ended
}

// dialRemote connects to the remote. If that is switched meanwhile, it starts
// again with the new one. It returns nil if there is none or it cannot be reached.
func (f *Forwarder) dialRemote() (net.Conn, *target) {
	for {
		target := f.target.Load()
		if !target.remote.IsValid() || f.ctx.Err() != nil {
			return nil, nil
		}
		ctx, cancel := context.WithTimeout(target.ctx, dialTimeout)
		conn, err := f.Dial(ctx, "tcp", target.remote.String())
		cancel()
		if target.ctx.Err() != nil {
			if err == nil {
				reset(conn)
			}
			continue
		}
		if err == nil || !backend.IsLocal(err) {
			f.Dialled(target.remote, err)
		}
		if err != nil {
			f.Log.Debug("dialling the remote failed", "remote", target.remote, "error", err)
			return nil, nil
		}
		return conn, target
	}
}

// forward copies one direction until its end, and passes that on. It is a
// named function so that a goroutine dump reads well.
func forward(dst, src net.Conn, count *atomic.Int64) {
	err := copyBytes(dst, src, count)
	if err == nil {
		err = closeWrite(dst)
	}
	if err == nil {
		return
	}
	waitSent(dst)
	reset(dst)
	reset(src)
}

func closeWrite(c net.Conn) error {
	if c, ok := c.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return c.Close()
}

// reset closes a connection in such a way that the other side sees an error
// and not an end.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	c.Close()
}

const (
	sentLimit = 5 * time.Second // for how long a side may be behind before its rest is dropped
	sentCheck = 10 * time.Millisecond
)

// waitSent returns when what was written to c has arrived, or could not: a
// reset would throw away what the other side has not been sent yet.
func waitSent(c net.Conn) {
	for end := time.Now().Add(sentLimit); unsent(c) > 0 && time.Now().Before(end); {
		time.Sleep(sentCheck)
	}
}

// copyBuffered copies with a buffer of its own.
func copyBuffered(dst, src net.Conn, count *atomic.Int64) error {
	buffer := make([]byte, bufferSize)
	for {
		n, err := src.Read(buffer)
		if n > 0 {
			if _, err := dst.Write(buffer[:n]); err != nil {
				return err
			}
			count.Add(int64(n))
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}
