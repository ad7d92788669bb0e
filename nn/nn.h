// All layers behind one include.
#pragma once

#include "nn/activation.h"
#include "nn/auxiliary_head.h"
#include "nn/batch_norm.h"
#include "nn/branches.h"
#include "nn/conv2d.h"
#include "nn/dropout.h"
#include "nn/flatten.h"
#include "nn/init.h"
#include "nn/linear.h"
#include "nn/local_response_norm.h"
#include "nn/memory_format.h"
#include "nn/module.h"
#include "nn/pool.h"
#include "nn/sequential.h"
#include "nn/summary.h"
