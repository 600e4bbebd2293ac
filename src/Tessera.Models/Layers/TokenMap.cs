namespace Tessera.Models.Layers;

/// <summary>Tokens as a map and back; positions by rows.</summary>
public static class TokenMap
{
    /// <summary>[B, H W, C] to [B, C, H, W].</summary>
    public static Tensor Fold(Tensor tokens, long height, long width)
        => Torch.Scope(() => tokens.Transpose(1, 2).Reshape(tokens.Size(0), tokens.Size(2), height, width));

    /// <summary>[B, C, H, W] to [B, H W, C].</summary>
    public static Tensor Unfold(Tensor map) => Torch.Scope(() => map.Flatten(2).Transpose(1, 2));
}
