package provider

import (
	"fmt"
	"net/netip"
	"syscall"
)

// Egress says which networks may be called beyond the public internet.
type Egress struct {
	Allow []string // CIDR
	HTTP  bool     // allow plain http
}

// guard decides about addresses that a connection is about to be made to, after name resolution, so
// that no DNS answer and no redirect leads around it.
type guard struct{ allow []netip.Prefix }

func newGuard(allow []string) (guard, error) {
	var g guard
	for _, text := range allow {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return guard{}, fmt.Errorf("egress.allow: %q is not a network in CIDR form, as in 10.1.0.0/16", text)
		}
		g.allow = append(g.allow, network.Masked())
	}
	return g, nil
}

// control is net.Dialer.Control.
func (g guard) control(_, address string, _ syscall.RawConn) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return denied(fmt.Errorf("%s is no address", address))
	}
	if !g.allows(target.Addr()) {
		return denied(fmt.Errorf("%s is not on the public internet; millrace.yaml may open it under egress.allow", target.Addr()))
	}
	return nil
}

func denied(err error) *Refused { return &Refused{Reason: "egress-denied", Err: err} }

func (g guard) allows(address netip.Addr) bool {
	address = address.WithZone("").Unmap()
	if contains(g.allow, address) {
		return true
	}
	if nat64.Contains(address) {
		bytes := address.As16()
		return g.allows(netip.AddrFrom4([4]byte(bytes[12:])))
	}
	if address.Is6() && !publicV6.Contains(address) {
		return false
	}
	return !contains(notPublic, address)
}

func contains(networks []netip.Prefix, address netip.Addr) bool {
	for _, network := range networks {
		if network.Contains(address) {
			return true
		}
	}
	return false
}

var (
	nat64    = netip.MustParsePrefix("64:ff9b::/96") // an IPv4 address in IPv6 clothes
	publicV6 = netip.MustParsePrefix("2000::/3")     // the only unicast space given out

	// notPublic are the special-purpose registries of IANA, and the address at which Azure answers its
	// own machines.
	notPublic = prefixes(
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
		"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
		"224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32",
		"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
	)
)

func prefixes(texts ...string) []netip.Prefix {
	networks := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		networks[i] = netip.MustParsePrefix(text)
	}
	return networks
}
