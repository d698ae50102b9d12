# Verifies access tokens in Ruby, with ruby-jwt 2.5 or later: tokens.algorithm must be ES256 or RS256.
require "jwt"
require "net/http"

ISSUER = ENV.fetch("DOORWARD_URL") # public_url
SET = { keys: nil, read: Time.at(0) }
KEYS = lambda do |options| # It is called again with :kid_not_found for a key that the set lacks.
  age = Time.now - SET[:read]
  if age > 300 || (options[:kid_not_found] && age > 10)
    answer = Net::HTTP.get_response(URI("#{ISSUER}/.well-known/jwks.json"))
    answer.value # raises for a status other than 2xx
    SET.update(keys: JSON.parse(answer.body, symbolize_names: true), read: Time.now)
  end
  SET[:keys]
end

# The claims of a valid token; raises JWT::DecodeError for any other.
def verify(token)
  checks = { iss: ISSUER, verify_iss: true, aud: "doorward", verify_aud: true } # tokens.audience
  checks.update(jwks: KEYS, algorithms: %w[ES256 RS256], required_claims: %w[exp sub])
  claims, header = JWT.decode(token, nil, true, checks)
  raise JWT::DecodeError, "not an access token" unless header["typ"] == "at+jwt"
  claims
end
