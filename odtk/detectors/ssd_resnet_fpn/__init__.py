"""SSD on a ResNet v1 FPN: TFOD's `ssd_resnet{50,101,152}_v1_fpn_keras`."""
