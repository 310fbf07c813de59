package testdb

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"
)

// Certificate makes a certificate for a server at an address, its key, and the
// certificate of who signed it, all in PEM form.
func Certificate(t testing.TB, address string) (certificate, key, ca string) {
	t.Helper()
	certificate, key, ca, err := certify(address)
	if err != nil {
		t.Fatal("testdb: ", err)
	}
	return certificate, key, ca
}

// certify writes cert.pem and key.pem for a server at an address, and returns
// what the certificate is signed with.
func (h home) certify(address string) (ca string, err error) {
	certificate, key, ca, err := certify(address)
	if err != nil {
		return "", err
	}
	return ca, errors.Join(h.write("cert.pem", certificate), h.write("key.pem", key))
}

func certify(address string) (certificate, key, ca string, err error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", "", err
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", "", err
	}
	root := draft("jetadmin test CA")
	root.IsCA, root.BasicConstraintsValid, root.KeyUsage = true, true, x509.KeyUsageCertSign
	leaf := draft(address)
	leaf.IPAddresses = []net.IP{net.ParseIP(address)}
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, &caKey.PublicKey, caKey)
	if err != nil {
		return "", "", "", err
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, root, &leafKey.PublicKey, caKey)
	if err != nil {
		return "", "", "", err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		return "", "", "", err
	}
	return armour("CERTIFICATE", leafDER), armour("PRIVATE KEY", keyDER), armour("CERTIFICATE", rootDER), nil
}

func draft(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(365 * 24 * time.Hour),
	}
}

func armour(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
