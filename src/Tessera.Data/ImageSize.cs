namespace Tessera.Data;

/// <summary>Size of an image in pixels.</summary>
/// <param name="Height">Rows.</param>
/// <param name="Width">Columns.</param>
public readonly record struct ImageSize(int Height, int Width)
{
    /// <summary>Both sides brought up to multiples of a number.</summary>
    internal ImageSize Up(int multiple) => new(Up(Height, multiple), Up(Width, multiple));

    private static int Up(int side, int multiple) => checked((side + multiple - 1) / multiple * multiple);

    /// <inheritdoc/>
    public override string ToString() => $"{Height}x{Width}";
}
