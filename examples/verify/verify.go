// Package verify verifies access tokens, with golang-jwt 4. tokens.algorithm is EdDSA, the default.
package verify

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v4"
)

var (
	client = http.Client{Timeout: 5 * time.Second}
	mutex  sync.Mutex
	keys   map[string]ed25519.PublicKey
	read   time.Time
)

// Verify returns the claims of a valid token, and an error for any other. The issuer is public_url.
func Verify(token, issuer string) (jwt.MapClaims, error) {
	claims := jwt.MapClaims{}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"EdDSA"}))
	parsed, err := parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		mutex.Lock()
		defer mutex.Unlock()
		kid, _ := t.Header["kid"].(string)
		if age := time.Since(read); age > 5*time.Minute || (keys[kid] == nil && age > 10*time.Second) {
			if err := readKeys(issuer); err != nil {
				return nil, err
			}
		}
		return keys[kid], nil
	})
	if err != nil || parsed.Header["typ"] != "at+jwt" || claims["sub"] == nil || !claims.VerifyIssuer(issuer, true) ||
		!claims.VerifyAudience("doorward", true) || !claims.VerifyExpiresAt(time.Now().Unix(), true) { // tokens.audience
		return nil, errors.New("not a valid access token")
	}
	return claims, nil
}

func readKeys(issuer string) error {
	answer, err := client.Get(issuer + "/.well-known/jwks.json")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	var set struct {
		Keys []struct{ Kid, Crv, X string }
	}
	if err != nil || answer.StatusCode != http.StatusOK || json.Unmarshal(body, &set) != nil {
		return errors.New("cannot read the keys")
	}
	keys, read = map[string]ed25519.PublicKey{}, time.Now()
	for _, key := range set.Keys {
		if x, err := base64.RawURLEncoding.DecodeString(key.X); err == nil && key.Crv == "Ed25519" {
			keys[key.Kid] = x
		}
	}
	return nil
}
