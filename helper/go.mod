module slipway.dev/slipway-pod

go 1.19
