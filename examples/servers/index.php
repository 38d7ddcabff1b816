<?php
// What PHP's own server answers. It closes each connection.
header("content-type: application/json");
$total = 0;
for ($number = 0; $number < 20000; $number++) {
    $total += $number & 7;
}
echo $total > 0 ? '{"done":true}' : '{}';
