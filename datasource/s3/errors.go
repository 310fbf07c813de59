package s3

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/jetadmin/jetadmin/datasource"
	"github.com/jetadmin/jetadmin/problem"
)

func refused(message, code string, cause error) error {
	return &datasource.StatementError{Code: code, Message: message, Position: -1, Cause: cause}
}

func tooLarge(limit int64) error {
	return refused(fmt.Sprintf("the object is larger than %d bytes", limit), "", nil)
}

var codePattern = regexp.MustCompile(`^[A-Za-z]{1,60}$`)

// codeOf is the word of the protocol for what went wrong, or "".
func codeOf(err error) string {
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok || !codePattern.MatchString(e.ErrorCode()) {
		return ""
	}
	return e.ErrorCode()
}

func statusOf(err error) int {
	if e, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return e.HTTPStatusCode()
	}
	return 0
}

// statementError tells a refused operation from a store that cannot be used. What
// the store writes is not shown, but for its word for the error.
func statementError(err error) error {
	code := codeOf(err)
	switch {
	case code == "NoSuchKey" || code == "NotFound" || code == "" && statusOf(err) == 404:
		return refused("there is no such object", "NoSuchKey", private(err))
	case code == "AccessDenied" || code == "Forbidden":
		return refused("the account may not do this", "AccessDenied", private(err))
	case fatal(code) || statusOf(err) == 0:
		return connectError(err)
	}
	if code == "" {
		code = strconv.Itoa(statusOf(err))
	}
	return refused("the store refused the operation", code, private(err))
}

// fatal reports whether an error concerns every operation.
func fatal(code string) bool {
	switch code {
	case "NoSuchBucket", "InvalidAccessKeyId", "SignatureDoesNotMatch", "PermanentRedirect", "AuthorizationHeaderMalformed", "RequestTimeTooSkewed":
		return true
	}
	return false
}

// connectError says why the store cannot be used.
func connectError(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*problem.Error](err); ok {
		return e
	}
	upstream := func(code, message, remedy string) error {
		return problem.New(problem.Upstream, code, message).Fix(remedy).Because(private(err))
	}
	switch code := codeOf(err); {
	case code == "NoSuchBucket" || code == "" && statusOf(err) == 404:
		return upstream("bucket_missing", "the bucket does not exist", "check the bucket of the datasource")
	case code == "InvalidAccessKeyId" || code == "SignatureDoesNotMatch" || code == "" && statusOf(err) == 403:
		return upstream("credentials_refused", "the store refused the credentials", "check the access key and the secret key of the datasource")
	case code == "RequestTimeTooSkewed":
		return upstream("clock_skewed", "the clocks of this server and of the store differ", "set the clock of the server")
	case code == "PermanentRedirect" || code == "AuthorizationHeaderMalformed" || statusOf(err) == 301 || statusOf(err) == 307:
		return upstream("region_wrong", "the bucket is in another region", "check the region of the datasource")
	case code != "" || statusOf(err) != 0:
		return upstream("store_failed", "the store answered with an error", "try again shortly")
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return upstream("connect_failed", "the host name does not resolve", "check the endpoint of the datasource")
	}
	return upstream("connect_failed", "the store cannot be reached", "check the endpoint of the datasource")
}

// private is an error for the log. The text of an url.Error holds the URL, and with
// it a signature.
func private(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
