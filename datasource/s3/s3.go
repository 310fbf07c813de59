// Package s3 connects datasources to a bucket of an object store that speaks the
// protocol of Amazon S3.
//
// A datasource is confined to a bucket and a prefix: a key is a text below the
// prefix, and one that a store could read as a path out of it is refused. The
// parameters of a query fill keys, contents and limits; they never become another
// operation, another header or another bucket.
//
// A URL that presign makes is a credential: whoever has it reads, or writes, the
// object until it expires.
package s3

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/internal/egress"
	"github.com/jetadmin/jetadmin/problem"
)

// Connector makes the connector of the type "s3".
func Connector() datasource.Connector { return connector{} }

type connector struct{}

func (connector) Spec() datasource.Spec {
	return datasource.Spec{
		Type:        "s3",
		Title:       "S3",
		Description: "A bucket of Amazon S3, or of a store that speaks its protocol.",
		Fields: []datasource.Field{
			{Name: "endpoint", Title: "Endpoint", Type: datasource.FieldString, Target: true, Description: "host or host:port of the store; empty = Amazon S3 in the region."},
			{Name: "region", Title: "Region", Type: datasource.FieldString, Default: "us-east-1", Target: true},
			{Name: "bucket", Title: "Bucket", Type: datasource.FieldString, Required: true, Target: true},
			{Name: "prefix", Title: "Prefix", Type: datasource.FieldString, Target: true, Description: "Like reports/2024/; keys of queries are below it."},
			{Name: "accessKey", Title: "Access key", Type: datasource.FieldString, Required: true, Target: true},
			{Name: "secretKey", Title: "Secret key", Type: datasource.FieldString, Required: true, Secret: true},
			{Name: "pathStyle", Title: "Bucket in the path", Type: datasource.FieldBoolean, Default: true, Target: true, Description: "Otherwise the bucket is a part of the host name."},
			{Name: "tls", Title: "TLS", Type: datasource.FieldBoolean, Default: true, Target: true},
		},
		Operation: json.RawMessage(operationSchema),
		Abilities: datasource.Abilities{Exec: true},
	}
}

var (
	bucketPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	regionPattern = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,40}[a-z0-9])?$`)
	accessPattern = regexp.MustCompile(`^[\x21-\x7e]{1,200}$`)
)

// CheckSettings refuses what would lead to another host, bucket or prefix.
func (connector) CheckSettings(s datasource.Settings) error {
	var faults problem.Faults
	_, err := endpoint(s)
	faults.Check(err == nil, "settings.endpoint", "must be a host, or host:port, without scheme and path")
	bucket := s.String("bucket")
	faults.Check(bucketPattern.MatchString(bucket) && !strings.Contains(bucket, ".."), "settings.bucket", "must be 3 to 63 lower-case letters, digits, points and dashes")
	faults.Check(regionPattern.MatchString(s.String("region")), "settings.region", "must be letters, digits and dashes")
	faults.Check(accessPattern.MatchString(s.String("accessKey")), "settings.accessKey", "must be of printable characters without spaces")
	prefix := s.String("prefix")
	faults.Check(prefix == "" || strings.HasSuffix(prefix, "/") && safeKey(strings.TrimSuffix(prefix, "/")) == nil, "settings.prefix",
		`must end with "/", and must not begin with it or hold empty segments, "." and ".."`)
	return faults.Err("datasource_invalid", "the datasource is not valid")
}

// endpoint is the URL of the store; nil = that of Amazon.
func endpoint(s datasource.Settings) (*url.URL, error) {
	host := s.String("endpoint")
	if host == "" {
		return nil, nil
	}
	scheme := "http"
	if s.Bool("tls") {
		scheme = "https"
	}
	u, err := url.Parse(scheme + "://" + host)
	if err == nil {
		err = egress.CheckURL(u)
	}
	if err != nil || u.Host != host || u.Hostname() == "" {
		return nil, problem.New(problem.Invalid, "endpoint_invalid", "the endpoint is not valid").Because(err)
	}
	return u, nil
}

func (connector) Open(_ context.Context, s datasource.Settings) (datasource.Conn, error) {
	u, err := endpoint(s)
	if err != nil {
		return nil, err
	}
	transport := s.Egress.Transport()
	options := s3.Options{
		Region:                      s.String("region"),
		UsePathStyle:                s.Bool("pathStyle"),
		Retryer:                     aws.NopRetryer{},
		DisableS3ExpressSessionAuth: aws.Bool(true),
		// Other stores than Amazon's often know no checksums of their own.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
		HTTPClient:                 &http.Client{Transport: bounded{transport}, CheckRedirect: stay},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: s.String("accessKey"), SecretAccessKey: s.Secret("secretKey").Reveal()}, nil
		}),
	}
	options.EndpointOptions.DisableHTTPS = !s.Bool("tls")
	if u != nil {
		options.BaseEndpoint = aws.String(u.String())
	}
	client := s3.New(options)
	return &conn{settings: s, transport: transport, client: client, presigner: s3.NewPresignClient(client)}, nil
}

// stay follows no redirect: a signature holds for one host.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// hostAndPort is where the store is, for a look at its name.
func hostAndPort(s datasource.Settings) (host, port string) {
	u, _ := endpoint(s)
	if u == nil {
		return "s3." + s.String("region") + ".amazonaws.com", "443"
	}
	if host, port, err := net.SplitHostPort(u.Host); err == nil {
		return host, port
	}
	if s.Bool("tls") {
		return u.Hostname(), "443"
	}
	return u.Hostname(), "80"
}
