// Package verify verifies access tokens, with golang-jwt 4. tokens.algorithm is EdDSA, the default.
package verify

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v4"
)

var (
	mutex sync.Mutex
	keys  map[string]ed25519.PublicKey
	read  time.Time
)

// Verify returns the claims of a valid token, and an error for any other. The issuer is public_url.
func Verify(token, issuer string) (jwt.MapClaims, error) {
	claims := jwt.MapClaims{}
	parsed, err := jwt.NewParser(jwt.WithValidMethods([]string{"EdDSA"})).ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		mutex.Lock()
		defer mutex.Unlock()
		kid, _ := t.Header["kid"].(string)
		if age := time.Since(read); age > 5*time.Minute || (keys[kid] == nil && age > 10*time.Second) {
			var set struct {
				Keys []struct{ Kid, Crv, X string }
			}
			answer, err := http.Get(issuer + "/.well-known/jwks.json")
			if err != nil || json.NewDecoder(answer.Body).Decode(&set) != nil {
				return nil, errors.New("cannot read the keys")
			}
			defer answer.Body.Close()
			keys, read = map[string]ed25519.PublicKey{}, time.Now()
			for _, key := range set.Keys {
				if x, err := base64.RawURLEncoding.DecodeString(key.X); err == nil && key.Crv == "Ed25519" {
					keys[key.Kid] = x
				}
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
