using Tessera.Data.Imaging;

namespace Tessera.Data.Transforms;

/// <summary>The shorter side brought to a size, the longer one in proportion.</summary>
/// <param name="Size">Of the shorter side, in pixels.</param>
/// <param name="Interpolation">Filter.</param>
public sealed record Resize(int Size, Interpolation Interpolation = Interpolation.Bicubic) : ImageTransform
{
    /// <inheritdoc/>
    public override void Apply(Canvas canvas, ref SampleRandom random)
    {
        if (NewSize(canvas.Image.Height, canvas.Image.Width) is var (height, width))
            Resampling.Resize(canvas, height, width, Interpolation.Draw(ref random));
    }

    // Some rows at a time.
    internal override void Apply(Canvas canvas, ImageFile file, int channels, bool shrink, ref SampleRandom random)
    {
        if (NewSize(file.Height, file.Width) is var (height, width))
            file.Resize(canvas, new(0, 0, file.Height, file.Width), height, width, Interpolation.Draw(ref random), false, channels);
        else
            file.Decode(canvas.Image, channels);
    }

    // Null where nothing is to be done.
    private (int Height, int Width)? NewSize(int height, int width)
    {
        var (shorter, longer) = (Math.Min(height, width), Math.Max(height, width));
        if (shorter == Size)
            return null;
        var other = (int)((long)Size * longer / shorter);
        return height <= width ? (Size, other) : (other, Size);
    }
}

/// <summary>Height and width brought to a size, whatever their ratio was.</summary>
/// <param name="Size">Of both sides, in pixels; of the height where <paramref name="Width"/> is given.</param>
/// <param name="Interpolation">Filter.</param>
/// <param name="Width">Of the width, in pixels; <paramref name="Size"/> when null.</param>
public sealed record Squash(int Size, Interpolation Interpolation = Interpolation.Bicubic, int? Width = null) : ImageTransform
{
    private int Columns => Width ?? Size;

    /// <inheritdoc/>
    public override void Apply(Canvas canvas, ref SampleRandom random)
    {
        var interpolation = Interpolation.Draw(ref random);
        if ((canvas.Image.Height, canvas.Image.Width) != (Size, Columns))
            Resampling.Resize(canvas, Size, Columns, interpolation);
    }

    // Some rows at a time.
    internal override void Apply(Canvas canvas, ImageFile file, int channels, bool shrink, ref SampleRandom random) =>
        file.Resize(canvas, new(0, 0, file.Height, file.Width), Size, Columns, Interpolation.Draw(ref random), false, channels);
}

/// <summary>The square in the middle; black where the image ends before.</summary>
/// <param name="Size">Side in pixels.</param>
public sealed record CenterCrop(int Size) : MovingTransform
{
    internal override byte? Border => 0;

    internal override PixelMove Draw(int height, int width, ref SampleRandom random) =>
        new(Start(height, Size), Start(width, Size), Size, Size);

    // Smaller images are padded on the left by half of the missing pixels, rounded down; else halves round to even.
    private static int Start(int length, int size) =>
        length < size ? -((size - length) / 2) : (int)Math.Round((length - size) / 2.0, MidpointRounding.ToEven);
}

/// <summary>The preparation of evaluation: a resize so that the crop is a given share of the shorter side, then the middle.</summary>
/// <param name="Size">Side of the crop in pixels.</param>
/// <param name="Share">The crop's side over the resized image's shorter side.</param>
/// <param name="Interpolation">Filter.</param>
public sealed record EvaluationCrop(int Size = 224, double Share = 0.875, Interpolation Interpolation = Interpolation.Bicubic)
    : ImageTransform
{
    /// <inheritdoc/>
    public override void Apply(Canvas canvas, ref SampleRandom random)
    {
        Resizing.Apply(canvas, ref random);
        new CenterCrop(Size).Apply(canvas, ref random);
    }

    internal override void Apply(Canvas canvas, ImageFile file, int channels, bool shrink, ref SampleRandom random)
    {
        Resizing.Apply(canvas, file, channels, shrink, ref random);
        new CenterCrop(Size).Apply(canvas, ref random);
    }

    private Resize Resizing => new((int)Math.Floor(Size / Share), Interpolation);
}

/// <summary>A part of random area and shape, resized to a square (Szegedy et al., 2015).</summary>
/// <param name="Size">Side of the result in pixels.</param>
/// <param name="MinScale">Smallest share of the area.</param>
/// <param name="MaxScale">Largest share of the area.</param>
/// <param name="MinRatio">Smallest width over height; drawn on a logarithmic scale.</param>
/// <param name="MaxRatio">Largest width over height.</param>
/// <param name="Interpolation">Filter.</param>
public sealed record RandomResizedCrop(
    int Size = 224,
    double MinScale = 0.08,
    double MaxScale = 1,
    double MinRatio = 3.0 / 4,
    double MaxRatio = 4.0 / 3,
    Interpolation Interpolation = Interpolation.Bicubic
) : ImageTransform
{
    private const int Attempts = 10;

    /// <inheritdoc/>
    public override void Apply(Canvas canvas, ref SampleRandom random)
    {
        var part = Draw(canvas.Image.Height, canvas.Image.Width, ref random);
        Window.Cut(canvas, part.Top, part.Left, part.Height, part.Width);
        Resampling.Resize(canvas, Size, Size, Interpolation.Draw(ref random));
    }

    // Only the part is decoded.
    internal override void Apply(Canvas canvas, ImageFile file, int channels, bool shrink, ref SampleRandom random)
    {
        var part = Draw(file.Height, file.Width, ref random);
        file.Resize(canvas, part, Size, Size, Interpolation.Draw(ref random), shrink, channels);
        canvas.Show(canvas.View.Cut(part.Top, part.Left, part.Height, part.Width, file.Height, file.Width));
    }

    private Part Draw(int height, int width, ref SampleRandom random)
    {
        for (var i = 0; i < Attempts; i++)
            if (Fit(height, width, random.Uniform(MinScale, MaxScale), random.Uniform(Math.Log(MinRatio), Math.Log(MaxRatio))) is { } size)
                return new(random.Below(height - size.Height + 1), random.Below(width - size.Width + 1), size.Height, size.Width);
        var (top, left, h, w) = Central(height, width);
        return new(top, left, h, w);
    }

    /// <summary>Height and width of a part, when it fits into the image.</summary>
    /// <param name="height">Of the image.</param>
    /// <param name="width">Of the image.</param>
    /// <param name="share">Of the image's area.</param>
    /// <param name="logRatio">Natural logarithm of width over height.</param>
    public static (int Height, int Width)? Fit(int height, int width, double share, double logRatio)
    {
        var (area, ratio) = (share * height * width, Math.Exp(logRatio));
        var w = (int)Math.Round(Math.Sqrt(area * ratio), MidpointRounding.ToEven);
        var h = (int)Math.Round(Math.Sqrt(area / ratio), MidpointRounding.ToEven);
        return w > 0 && h > 0 && w <= width && h <= height ? (h, w) : null;
    }

    /// <summary>The part taken when no attempt fits: in the middle, as large as the ratios allow.</summary>
    public (int Top, int Left, int Height, int Width) Central(int height, int width)
    {
        var ratio = (double)width / height;
        var (h, w) =
            ratio < MinRatio ? ((int)Math.Round(width / MinRatio, MidpointRounding.ToEven), width)
            : ratio > MaxRatio ? (height, (int)Math.Round(height * MaxRatio, MidpointRounding.ToEven))
            : (height, width);
        return ((height - h) / 2, (width - w) / 2, h, w);
    }
}
