package control

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"mycoproxy/backend"
)

const (
	maxBody      = 64 << 10         // bytes of a request
	watchTimeout = 10 * time.Second // for a watcher to take one line
)

// The paths, for handler and client.
const (
	pathProxy = "/api/v1/admin/proxy"
	pathProbe = "/api/v1/admin/proxy/probe"
	pathState = "/api/v1/state"
	pathWatch = "/api/v1/watch"
	pathPeers = "/api/v1/peers"
)

// endpoint answers one request. What it returns is sent as JSON; nil is "no content".
type endpoint func(*http.Request) (any, error)

// NewHandler serves b.
func NewHandler(b backend.Backend) http.Handler {
	routes := map[string]map[string]endpoint{
		pathProxy: {
			http.MethodGet:    func(r *http.Request) (any, error) { return validAddresses(r, b) },
			http.MethodPost:   func(r *http.Request) (any, error) { return connect(r, b) },
			http.MethodDelete: func(r *http.Request) (any, error) { return nil, b.Disconnect(r.Context()) },
		},
		pathProbe: {
			http.MethodGet:    func(r *http.Request) (any, error) { return nil, b.StartProbe(r.Context()) },
			http.MethodPost:   func(r *http.Request) (any, error) { return nil, b.ProbeNow(r.Context()) },
			http.MethodDelete: func(r *http.Request) (any, error) { return nil, b.StopProbe(r.Context()) },
		},
		pathState: {
			http.MethodGet: func(r *http.Request) (any, error) { return b.State(r.Context()) },
		},
		pathPeers: {
			http.MethodGet: func(r *http.Request) (any, error) { return b.Peers(r.Context()) },
		},
	}
	mux := http.NewServeMux()
	for path, methods := range routes {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { serve(w, r, methods) })
	}
	mux.HandleFunc("GET "+pathWatch, func(w http.ResponseWriter, r *http.Request) { watch(w, r, b) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, "there is nothing at this path")
	})
	return mux
}

func serve(w http.ResponseWriter, r *http.Request, methods map[string]endpoint) {
	answer, ok := methods[r.Method]
	if !ok {
		var allowed []string
		for method := range methods {
			allowed = append(allowed, method)
		}
		slices.Sort(allowed)
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		refuse(w, http.StatusMethodNotAllowed, "this path does not take "+r.Method)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	value, err := answer(r)
	switch {
	case err != nil:
		writeError(w, err)
	case value == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		writeJSON(w, http.StatusOK, value)
	}
}

// validAddresses answers as the daemon does: IPv6 addresses without ports.
func validAddresses(r *http.Request, b backend.Backend) (any, error) {
	state, err := b.State(r.Context())
	addrs := []netip.Addr{}
	for _, p := range state.Proxies {
		if a := p.Address.Addr(); p.Verdict == backend.Valid && a.Is6() && !slices.Contains(addrs, a) {
			addrs = append(addrs, a)
		}
	}
	return addrs, err
}

func connect(r *http.Request, b backend.Backend) (any, error) {
	remote, err := readRemote(r.Body)
	if err != nil {
		return nil, err
	}
	return b.Connect(r.Context(), remote)
}

// readRemote reads the body of a connect; the zero AddrPort is for the fastest.
func readRemote(body io.Reader) (netip.AddrPort, error) {
	var request *struct {
		Remote *string `json:"remote"`
	}
	d := json.NewDecoder(body)
	err := d.Decode(&request)
	if err == nil {
		_, err = d.Token()
	}
	if err != io.EOF || request == nil {
		return netip.AddrPort{}, &backend.Error{Code: backend.BadRequest, Message: `the body is not {"remote": "[ip]:port"} or {"remote": null}`}
	}
	if request.Remote == nil {
		return netip.AddrPort{}, nil
	}
	return backend.ParseAddress(*request.Remote)
}

// watch streams snapshots until either side goes away.
func watch(w http.ResponseWriter, r *http.Request, b backend.Backend) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	control := http.NewResponseController(w)
	lines := json.NewEncoder(w)
	b.Watch(r.Context(), func(s backend.State) {
		// A watcher that does not read is cut off: the write fails, which ends
		// the request's context.
		control.SetWriteDeadline(time.Now().Add(watchTimeout))
		if lines.Encode(s) == nil {
			control.Flush()
		}
	})
}

// failure is the JSON form of an error.
type failure struct {
	Message string       `json:"error"`
	Code    backend.Code `json:"code"`
}

var statuses = map[backend.Code]int{
	backend.NoValidProxy: http.StatusNotFound,
	backend.PortInUse:    http.StatusConflict,
	backend.BadAddress:   http.StatusBadRequest,
	backend.OwnListener:  http.StatusBadRequest,
	backend.BadRequest:   http.StatusBadRequest,
	backend.Superseded:   http.StatusServiceUnavailable,
	backend.NotRunning:   http.StatusServiceUnavailable,
}

func writeError(w http.ResponseWriter, err error) {
	answer := failure{err.Error(), backend.Internal}
	var known *backend.Error
	if errors.As(err, &known) {
		answer = failure{known.Message, known.Code}
	}
	status, ok := statuses[answer.Code]
	if !ok {
		status = http.StatusInternalServerError
	}
	writeJSON(w, status, answer)
}

// refuse answers a request that is wrong in itself.
func refuse(w http.ResponseWriter, status int, message string) {
	writeJSON(w, status, failure{message, backend.BadRequest})
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(value)
}
