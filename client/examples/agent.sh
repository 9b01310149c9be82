#!/usr/bin/env bash
# An agent that asks for the weather as long as its budget lasts, and knows why it stops.
# agent.sh URL pm_… REQUESTS BUDGET
set -uo pipefail

url="$1" card="$2" requests="$3" budget="$4"
for ((number = 1; number <= requests; number++)); do
    answer="$(stripe402 curl "$url" --silent --payment-method "$card" \
        --max-price 0.05usd --max-charge 5usd --budget "$budget" 2>/dev/null)"
    case $? in
        0) echo "$number: $answer" ;;
        12) echo "$number: the card was declined" && exit 1 ;;
        16) echo "$number: the cardholder must confirm" && exit 1 ;;
        17) sleep 5 ;;
        21) echo "$number: the budget is spent" && exit 0 ;;
        *) echo "$number: not served" && exit 1 ;;
    esac
done
echo "$requests answers"
