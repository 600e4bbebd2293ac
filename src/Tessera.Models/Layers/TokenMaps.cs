namespace Tessera.Models.Layers;

/// <summary>Maps [B, C, H, W] as tokens [B, H W, C] in row-major order, and back.</summary>
public static class TokenMaps
{
    /// <summary>[B, C, H, W] to [B, H W, C].</summary>
    public static Tensor ToTokens(this Tensor map) => map.Flatten(2).Transpose(1, 2);

    /// <summary>[B, H W, C] to [B, C, H, W].</summary>
    /// <exception cref="ShapeException">The tokens are not as many as the map has positions.</exception>
    public static Tensor ToMap(this Tensor tokens, long height, long width)
    {
        var (batch, count, channels) = tokens.Shape;
        if (count != height * width)
            throw new ShapeException($"{count} tokens do not fill a map of {height} x {width}");
        return tokens.Transpose(1, 2).Reshape(batch, channels, height, width);
    }
}
