package tenancy

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/problem"
)

// domainPattern is a DNS name in the one spelling in which two are compared: lower
// case, international labels as xn--, no dot at the end. The last label is no number,
// or it would be an address.
var domainPattern = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)

const maxDomain = 253 // RFC 1035 §2.3.4, without the root

func checkDomains(f *problem.Faults, domains []string) {
	f.Check(len(domains) <= MaxInvitationDomains, "invitationDomains", fmt.Sprintf("must have at most %d items", MaxInvitationDomains))
	for i, domain := range domains {
		f.Check(len(domain) <= maxDomain && domainPattern.MatchString(domain), fmt.Sprintf("invitationDomains.%d", i),
			`must be a domain like "example.com": lower case, without a dot at the end, international names as xn--`)
	}
}

// admitsAddress reports whether somebody with an e-mail address may be let in. The
// domains are compared as a whole, and an international one that is not written as
// xn-- is none of those that are listed.
func (in Settings) admitsAddress(email string) bool {
	if len(in.InvitationDomains) == 0 {
		return true
	}
	normal, _ := auth.NormalEmail(email)
	return slices.Contains(in.InvitationDomains, normal[strings.LastIndexByte(normal, '@')+1:])
}

// admitAddress refuses, in a transaction that has locked the tenant, to let somebody
// in whose e-mail address is of none of the domains that the tenant lets in. What the
// host does itself is not bound by that.
func (s *Service) admitAddress(ctx context.Context, tx bun.IDB, by auth.Kind, tenantID, email string) error {
	if by == auth.KindService {
		return nil
	}
	settings, err := s.SettingsIn(ctx, tx, tenantID)
	if err != nil || settings.admitsAddress(email) {
		return err
	}
	return problem.New(problem.Conflict, "domain_not_admitted", "this workspace lets in nobody with an e-mail address of this domain").
		Fix("use an address of one of the invitationDomains in the settings of the workspace, or have them changed; an international domain is written as xn--")
}
