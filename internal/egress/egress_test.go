package egress_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/problem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func requireRefused(t *testing.T, err error) {
	t.Helper()
	if e, ok := errors.AsType[*problem.Error](err); !ok || e.Code != "egress_refused" || e.Kind != problem.Forbidden {
		t.Fatalf("got %v, want egress_refused", err)
	}
}

// loopback is the policy of a host that allows its own machine.
func loopback() egress.Policy {
	return egress.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
}

func TestT68_SpecialAddressesAreRefused(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"127.0.0.1", "127.8.8.8", "::1", "0.0.0.0", "0.1.2.3", "::", // loopback, unspecified
		"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fc00::1", "fd12:3456::1", // private, CGNAT, ULA
		"169.254.1.1", "fe80::1", "224.0.0.1", "239.1.1.1", "ff02::1", "255.255.255.255", "240.0.0.1", // link-local, multicast, reserved
		"169.254.169.254", "fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16", // metadata
		"64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "2002:7f00:1::", "2002:808:808::1", "2001:0:53aa:64c::1", // NAT64, 6to4, Teredo
		"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", // mapped, compatible
		"192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1", // documentation, benchmarks
	} {
		if (egress.Policy{}).Permits(netip.MustParseAddr(address)) {
			t.Errorf("%s is permitted", address)
		}
		_, err := egress.Policy{}.DialContext(t.Context(), "tcp", net.JoinHostPort(address, "80"))
		requireRefused(t, err)
	}
	for _, address := range []string{"8.8.8.8", "1.1.1.1", "::ffff:8.8.8.8", "2606:4700:4700::1111"} {
		if !(egress.Policy{}).Permits(netip.MustParseAddr(address)) {
			t.Errorf("%s is refused", address)
		}
	}
}

// No spelling of the metadata address is reached: those that the machine's
// resolver understands are refused, the others do not resolve.
func TestT69_SpellingsOfTheMetadataAddress(t *testing.T) {
	t.Parallel()
	client := egress.Policy{}.Client()
	t.Cleanup(client.CloseIdleConnections)
	for _, host := range []string{
		"169.254.169.254", "2852039166", "0251.0376.0251.0376", "0xa9fea9fe", "0xa9.0xfe.0xa9.0xfe", "169.254.43518",
		"[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[::]", "localhost", "169。254。169。254",
	} {
		reply, err := client.Get("http://" + host + "/latest/meta-data/")
		if err == nil {
			_ = reply.Body.Close()
			t.Errorf("%s answered", host)
			continue
		}
		_, dns := errors.AsType[*net.DNSError](err)
		if e, ok := errors.AsType[*problem.Error](err); !dns && (!ok || e.Code != "egress_refused") {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// fakeDNS answers each question for an A record with the next list of addresses.
func fakeDNS(t *testing.T, answers ...[]string) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = server.Close(); <-done })
	go func() {
		defer close(done)
		for next, buf := 0, make([]byte, 1500); ; {
			n, from, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			var addresses []string
			if end := questionEnd(buf[:n]); binary.BigEndian.Uint16(buf[end-4:]) == 1 {
				addresses = answers[min(next, len(answers)-1)]
				next++
			}
			_, _ = server.WriteTo(dnsReply(buf[:n], addresses), from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

func questionEnd(q []byte) int { return 12 + bytes.IndexByte(q[12:], 0) + 1 + 4 }

func dnsReply(q []byte, addresses []string) []byte {
	end := questionEnd(q)
	r := append([]byte{}, q[:end]...)
	binary.BigEndian.PutUint16(r[2:], 0x8180)
	binary.BigEndian.PutUint16(r[6:], uint16(len(addresses)))
	binary.BigEndian.PutUint32(r[8:], 0)
	for _, a := range addresses {
		r = append(r, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4) // the same name, A, IN, TTL 0
		r = append(r, netip.MustParseAddr(a).AsSlice()...)
	}
	return r
}

func TestT70_RebindingIsJudgedOnTheConnectedAddress(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())

	t.Run("public first, then loopback", func(t *testing.T) {
		t.Parallel()
		p := egress.Policy{Resolver: fakeDNS(t, []string{"8.8.8.8"}, []string{"127.0.0.1"})}
		if _, err := p.Lookup(t.Context(), "rebind.test", port); err != nil {
			t.Fatalf("the first answer is public: %v", err)
		}
		_, err := p.DialContext(t.Context(), "tcp", "rebind.test:"+port)
		requireRefused(t, err)
	})
	t.Run("mixed records connect only to what is allowed", func(t *testing.T) {
		t.Parallel()
		p := egress.Policy{
			Allow:    []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
			Resolver: fakeDNS(t, []string{"169.254.169.254", "10.0.0.1", "127.0.0.1"}),
		}
		conn, err := p.DialContext(t.Context(), "tcp", "mixed.test:"+port)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if got := conn.RemoteAddr().String(); got != "127.0.0.1:"+port {
			t.Fatalf("connected to %s", got)
		}
	})
	t.Run("private only", func(t *testing.T) {
		t.Parallel()
		p := egress.Policy{Resolver: fakeDNS(t, []string{"10.0.0.1", "127.0.0.1"})}
		_, err := p.Lookup(t.Context(), "inside.test", port)
		requireRefused(t, err)
		_, err = p.DialContext(t.Context(), "tcp", "inside.test:"+port)
		requireRefused(t, err)
	})
}

func TestT71_UserInformationAndOddURLsAreRefused(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the server was reached") }))
	t.Cleanup(server.Close)
	client := loopback().Client()
	host := strings.TrimPrefix(server.URL, "http://")
	for _, u := range []string{"http://a@" + host, "http://a:b@" + host, "http://ok.test#@" + host, "http://ok.test:80\t@" + host, "http:///path", "http:" + host} {
		parsed, err := url.Parse(u)
		if err != nil {
			continue // nothing to dispatch
		}
		if parsed.Host == "ok.test" {
			continue // the fragment stays one: this is another host for every parser
		}
		if egress.CheckURL(parsed) == nil {
			t.Errorf("%q passes", u)
		}
		if reply, err := client.Get(u); err == nil {
			_ = reply.Body.Close()
			t.Errorf("%q was sent", u)
		}
	}
}

func TestT72_AllowListMatchesHostAndPortAsAWhole(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	p := egress.Policy{AllowHosts: []string{"OK.test:" + port}, Resolver: fakeDNS(t, []string{"127.0.0.1"})}
	conn, err := p.DialContext(t.Context(), "tcp", "ok.test:"+port)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	for _, address := range []string{"ok.test.evil.test:" + port, "evil-ok.test:" + port, "ok.test:1" + port[1:], "ok.tes:" + port, "127.0.0.1:" + port} {
		if address == "ok.test:"+port {
			continue
		}
		_, err := p.DialContext(t.Context(), "tcp", address)
		requireRefused(t, err)
	}
	for _, entry := range []string{"ok.test", ":80", "ok.test:http", "ok.test:99999", "http://ok.test:80"} {
		if (egress.Policy{AllowHosts: []string{entry}}).Validate() == nil {
			t.Errorf("AllowHosts takes %q", entry)
		}
	}
}

func TestT73_SchemesAndRedirects(t *testing.T) {
	t.Parallel()
	var hops int
	var mu sync.Mutex
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		hops++
		mu.Unlock()
		switch r.URL.Path {
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/to":
			http.Redirect(w, r, r.URL.Query().Get("u"), http.StatusFound)
		}
	}))
	t.Cleanup(plain.Close)
	client := loopback().Client()
	t.Cleanup(client.CloseIdleConnections)

	for _, u := range []string{"file:///etc/passwd", "gopher://127.0.0.1", "data:text/plain,x", "unix:///run/x", "jar:http://x!/", "ftp://127.0.0.1"} {
		for _, via := range []string{u, plain.URL + "/to?u=" + url.QueryEscape(u)} {
			if reply, err := client.Get(via); err == nil {
				_ = reply.Body.Close()
				t.Errorf("%s was followed", via)
			}
		}
	}
	_, err := client.Get(plain.URL + "/to?u=" + url.QueryEscape("http://169.254.169.254/"))
	requireRefused(t, err)

	hops = 0
	_, err = client.Get(plain.URL + "/loop")
	if e, ok := errors.AsType[*problem.Error](err); !ok || e.Code != "too_many_redirects" {
		t.Errorf("got %v, want too_many_redirects", err)
	}
	if hops != egress.MaxRedirects+1 {
		t.Errorf("%d requests, want %d", hops, egress.MaxRedirects+1)
	}
}

func TestT73_NoRedirectFromHTTPSToHTTP(t *testing.T) {
	t.Parallel()
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the plain server was reached") }))
	t.Cleanup(plain.Close)
	secure := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusTemporaryRedirect))
	t.Cleanup(secure.Close)
	client := secure.Client()
	client.CheckRedirect = loopback().Client().CheckRedirect
	_, err := client.Get(secure.URL)
	if e, ok := errors.AsType[*problem.Error](err); !ok || e.Code != "redirect_refused" {
		t.Errorf("got %v, want redirect_refused", err)
	}
}

func TestT74_AnotherOriginGetsNeitherCredentialsNorBody(t *testing.T) {
	t.Parallel()
	type seen struct {
		method, body string
		header       http.Header
	}
	requests := make(chan seen, 3)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		requests <- seen{r.Method, string(body), r.Header}
		if r.URL.Path == "/first" {
			http.Redirect(w, r, "/second", http.StatusTemporaryRedirect) // the same origin, still not the first one
		}
	}))
	t.Cleanup(other.Close)
	first := httptest.NewServer(http.RedirectHandler(other.URL+"/first", http.StatusTemporaryRedirect))
	t.Cleanup(first.Close)
	client := loopback().Client()
	t.Cleanup(client.CloseIdleConnections)

	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, first.URL+"?apikey=canary", strings.NewReader("canary"))
	for _, name := range []string{"Authorization", "Cookie", "X-API-Key", "X-Custom", "Proxy-Authorization"} {
		r.Header.Set(name, "canary")
	}
	r.Header.Set("Accept", "application/json")
	reply, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = reply.Body.Close()
	for range 2 {
		got := <-requests
		if got.method != http.MethodGet || got.body != "" || got.header.Get("Accept") != "application/json" {
			t.Errorf("got %s with body %q and headers %v", got.method, got.body, got.header)
		}
		for name, values := range got.header {
			if strings.Contains(strings.Join(values, " "), "canary") {
				t.Errorf("the header %s went along", name)
			}
		}
	}
}

func TestT78_ProxyVariablesAreIgnored(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the proxy was used") }))
	defer proxy.Close()
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"} {
		t.Setenv(name, proxy.URL)
	}
	t.Setenv("NO_PROXY", "*")
	client := egress.Policy{Allow: loopback().Allow}.Client()
	defer client.CloseIdleConnections()
	_, err := client.Get("http://169.254.169.254/")
	requireRefused(t, err)
	_, err = client.Get("https://10.1.2.3/")
	requireRefused(t, err)
}

func TestT79_RepliesAreBounded(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/headers":
			for range 1000 {
				w.Header().Add("X-Filler", strings.Repeat("x", 1000))
			}
		case "/stream":
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			defer z.Close()
			for range 1024 {
				if _, err := z.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		case "/slow":
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}
	}))
	t.Cleanup(server.Close)
	client := loopback().Client()
	t.Cleanup(client.CloseIdleConnections)

	if reply, err := client.Get(server.URL + "/headers"); err == nil {
		_ = reply.Body.Close()
		t.Error("1 MB of headers was accepted")
	}
	for _, path := range []string{"/stream", "/bomb"} {
		reply, err := client.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := egress.ReadAll(reply.Body, 1<<20)
		_ = reply.Body.Close()
		if e, ok := errors.AsType[*problem.Error](err); !ok || e.Code != "response_too_large" || len(b) != 1<<20 {
			t.Errorf("%s: read %d bytes, %v", path, len(b), err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/slow", nil)
	reply, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := egress.ReadAll(reply.Body, 1<<20); !errors.Is(err, context.Canceled) {
		t.Errorf("a slow body ends with %v", err)
	}
	_ = reply.Body.Close()
}

func TestOnlyTCP(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"unix", "udp", "ip", "unixgram"} {
		_, err := loopback().DialContext(t.Context(), network, "127.0.0.1:1")
		requireRefused(t, err)
	}
}
