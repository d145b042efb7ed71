package control

import (
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"path"
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
	pathShare = "/api/v1/share"
	pathEnd   = "/api/v1/shutdown"
)

// NewHandler serves b. It calls end when a client wants the service to end. If
// end is nil, the clients are not only the user's own: they may neither end the
// service nor open it to others.
func NewHandler(b backend.Backend, end func()) http.Handler {
	mux := http.NewServeMux()
	methods := map[string][]string{} // by the path that takes them
	handle := func(method, at string, h http.Handler) {
		mux.Handle(method+" "+at, h)
		methods[at] = append(methods[at], method)
	}
	handle("GET", pathProxy, endpoint(func(r *http.Request) (any, error) { return validAddresses(r, b) }))
	handle("POST", pathProxy, endpoint(func(r *http.Request) (any, error) { return connect(r, b) }))
	handle("DELETE", pathProxy, endpoint(func(r *http.Request) (any, error) { return nil, b.Disconnect(r.Context()) }))
	handle("GET", pathProbe, endpoint(func(r *http.Request) (any, error) { return nil, b.StartProbe(r.Context()) }))
	handle("POST", pathProbe, endpoint(func(r *http.Request) (any, error) { return nil, b.ProbeNow(r.Context()) }))
	handle("DELETE", pathProbe, endpoint(func(r *http.Request) (any, error) { return nil, b.StopProbe(r.Context()) }))
	handle("GET", pathState, endpoint(func(r *http.Request) (any, error) { return b.State(r.Context()) }))
	handle("GET", pathPeers, endpoint(func(r *http.Request) (any, error) { return b.Peers(r.Context()) }))
	handle("GET", pathWatch, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { watch(w, r, b) }))
	if end != nil {
		handle("POST", pathShare, endpoint(func(r *http.Request) (any, error) { return nil, setShare(r, b) }))
		handle("POST", pathEnd, endpoint(func(*http.Request) (any, error) { end(); return nil, nil }))
	}
	for at, taken := range methods {
		refuse := otherMethod(taken)
		mux.HandleFunc(at, refuse)
		mux.HandleFunc("HEAD "+at, refuse) // else the pattern of GET takes it, too
	}
	mux.HandleFunc("/", otherPath)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path.Clean("/"+r.URL.Path) != r.URL.Path {
			otherPath(w, r) // the ServeMux would redirect, and so make a GET of a POST
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// otherMethod refuses a request whose method is none of those that its path takes.
func otherMethod(taken []string) http.HandlerFunc {
	slices.Sort(taken)
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", strings.Join(taken, ", "))
		refuse(w, http.StatusMethodNotAllowed, "this path does not take "+r.Method)
	}
}

// otherPath refuses a request whose path is none of those above.
func otherPath(w http.ResponseWriter, _ *http.Request) {
	refuse(w, http.StatusNotFound, "there is nothing at this path")
}

// endpoint answers one request. What it returns is sent as JSON; nil is "no content".
type endpoint func(*http.Request) (any, error)

// ServeHTTP sends what the endpoint returns.
func (answer endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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

// validAddresses answers as the Mycelium daemon does: IPv6 addresses without ports.
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
	if !readJSON(body, &request) || request == nil {
		return netip.AddrPort{}, &backend.Error{Code: backend.BadRequest, Message: `the body is not {"remote": "[ip]:port"} or {"remote": null}`}
	}
	if request.Remote == nil {
		return netip.AddrPort{}, nil
	}
	return backend.ParseAddress(*request.Remote)
}

func setShare(r *http.Request, b backend.Backend) error {
	var request struct {
		Share *backend.Share `json:"share"`
	}
	if !readJSON(r.Body, &request) || request.Share == nil {
		return &backend.Error{Code: backend.BadRequest, Message: `the body is not {"share": "off"}, or "lan" or "all"`}
	}
	return b.SetShare(r.Context(), *request.Share)
}

// readJSON reports whether body is one JSON value that fits.
func readJSON(body io.Reader, value any) bool {
	d := json.NewDecoder(body)
	if d.Decode(value) != nil {
		return false
	}
	_, err := d.Token()
	return err == io.EOF
}

// watch sends snapshots until the client or the service ends.
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
	e := backend.AsError(err)
	status, ok := statuses[e.Code]
	if !ok {
		status = http.StatusInternalServerError
	}
	writeJSON(w, status, failure{e.Message, e.Code})
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
