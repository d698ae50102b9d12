# Gives each line of standard input to the verifier of examples/verify: `ok SUBJECT` or `refused`.
require_relative "verify"

$stdout.sync = true
$stdin.each_line(chomp: true) do |token|
  puts "ok #{verify(token)["sub"]}"
rescue StandardError => error
  puts "refused #{error.class}: #{error.message.lines.first&.chomp}"
end
