"""What several of the models share."""
import torch.nn as nn
import torch.nn.functional as F

# Whether attention is written as the authors of the models did, or by the function that PyTorch has for it since 2.0.
fused_attention = False


def attend(q, k, v, scale, dropout=None):
    """softmax(scale q k^T) v with dropout of the weights; all [..., N, d]."""
    if fused_attention:
        return F.scaled_dot_product_attention(q, k, v, dropout_p=dropout.p if dropout is not None and dropout.training else 0.0, scale=scale)
    weights = ((q * scale) @ k.transpose(-2, -1)).softmax(dim=-1)
    return (weights if dropout is None else dropout(weights)) @ v


class Mlp(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.fc1, self.act, self.fc2 = nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim)

    def forward(self, x):
        return self.fc2(self.act(self.fc1(x)))


class Attention(nn.Module):
    """Multi-head attention with one map for queries, keys and values: ViT, DeiT, CCT."""

    def __init__(self, dim, heads, qkv_bias=True, dropout=0.0):
        super().__init__()
        self.heads, self.scale = heads, (dim // heads) ** -0.5
        self.qkv, self.proj = nn.Linear(dim, 3 * dim, bias=qkv_bias), nn.Linear(dim, dim)
        self.attn_drop = nn.Dropout(dropout)

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        return self.proj(attend(q, k, v, self.scale, self.attn_drop).transpose(1, 2).reshape(b, n, c))


class ConvEmbed(nn.Module):
    def __init__(self, inputs, dim, patch, stride, padding):
        super().__init__()
        self.proj, self.norm = nn.Conv2d(inputs, dim, patch, stride, padding), nn.LayerNorm(dim)

    def forward(self, x):
        x = self.proj(x)
        return self.norm(x.flatten(2).transpose(1, 2)), x.shape[2], x.shape[3]
