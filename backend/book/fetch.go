package book

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"
)

const (
	fetchTimeout  = 30 * time.Second
	mostRedirects = 5
)

// OpenList opens the list of proxies in a file, or at a URL of http or https. That
// is fetched through no proxy, in 30 seconds, and redirects only within its host.
func OpenList(ctx context.Context, source string) (io.ReadCloser, error) {
	if !IsURL(source) {
		return os.Open(source)
	}
	client := http.Client{
		Timeout:   fetchTimeout,
		Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > mostRedirects || r.URL.Host != via[0].URL.Host {
				return errors.New("it redirects elsewhere")
			}
			return nil
		},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, source, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, fmt.Errorf("%s: %s", source, response.Status)
	}
	return response.Body, nil
}

// IsURL reports whether a list is fetched, and not read from a file.
func IsURL(source string) bool {
	u, err := url.Parse(source)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https")
}
