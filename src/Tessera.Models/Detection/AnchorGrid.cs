namespace Tessera.Models.Detection;

/// <summary>
/// The boxes that a detector starts from: the same few around every position of every level of a pyramid. They are float32, whatever type
/// the detector computes in. Ren et al., "Faster R-CNN", 2015, arXiv:1506.01497, section 3.1.1.
/// </summary>
/// <remarks>Anchors stand in the order of rows, columns, and base boxes, and base boxes in that of ratios and scales.</remarks>
public sealed class AnchorGrid
{
    private readonly float[][] bases; // of each level, 4 numbers for each box around 0, 0

    private AnchorGrid(IEnumerable<float[]> bases)
    {
        this.bases = [.. bases];
        PerPosition = this.bases[0].Length / 4;
    }

    /// <summary>
    /// The anchors of mmdetection: the one of the first position has its centre in the corner of the image, and nothing is rounded.
    /// </summary>
    /// <param name="strides">Pixels of the image per position of each level, which are also the sizes that scales multiply.</param>
    /// <param name="scales">Sides in strides.</param>
    /// <param name="ratios">Height over width.</param>
    /// <param name="center">Where in its cell the centre of an anchor lies, in strides: 0 for the corner, 0.5 for the middle.</param>
    public static AnchorGrid Of(
        IReadOnlyList<double> strides,
        IReadOnlyList<double> scales,
        IReadOnlyList<double> ratios,
        double center = 0
    ) =>
        new(
            strides.Select(stride =>
                Base(
                    ratios,
                    (height, width) =>
                        scales.Select(scale => ((float)stride * height * (float)scale, (float)stride * width * (float)scale)),
                    (float)(center * stride)
                )
            )
        );

    /// <summary>The anchors of torchvision, whose halves are rounded to whole pixels.</summary>
    /// <param name="sizes">Sides in pixels, for each level.</param>
    /// <param name="ratios">Height over width, for each level.</param>
    public static AnchorGrid Rounded(IReadOnlyList<IReadOnlyList<double>> sizes, IReadOnlyList<IReadOnlyList<double>> ratios) =>
        new(
            sizes
                .Zip(ratios)
                .Select(level =>
                    Base(level.Second, (height, width) => level.First.Select(size => (height * (float)size, width * (float)size)))
                        .Select(edge => MathF.Round(edge, MidpointRounding.ToEven))
                        .ToArray()
                )
        );

    // Of a ratio, the factors of height and width.
    private static float[] Base(
        IReadOnlyList<double> ratios,
        Func<float, float, IEnumerable<(float Height, float Width)>> sizes,
        float center = 0
    ) =>
        [
            .. ratios.SelectMany(ratio =>
            {
                var root = MathF.Sqrt((float)ratio);
                return sizes(root, 1 / root).SelectMany(size => Around(center, 0.5f * size.Height, 0.5f * size.Width));
            }),
        ];

    private static float[] Around(float center, float height, float width) =>
        [center - width, center - height, center + width, center + height];

    /// <summary>Number of levels.</summary>
    public int Levels => bases.Length;

    /// <summary>Number of anchors at a position.</summary>
    public int PerPosition { get; }

    /// <summary>The anchors around (0, 0).</summary>
    /// <param name="level">From 0.</param>
    /// <returns>[A, 4], float32.</returns>
    public Tensor Bases(int level) => Tensor.From(bases[level], PerPosition, 4);

    /// <summary>All anchors of a level.</summary>
    /// <param name="level">From 0.</param>
    /// <param name="map">Rows and columns of the level's map.</param>
    /// <param name="stride">Pixels of the image from one position to the next, down and across.</param>
    /// <returns>[rows * columns * A, 4], float32.</returns>
    public Tensor Grid(int level, (int Rows, int Columns) map, (float Down, float Across) stride)
    {
        var own = bases[level];
        var all = new float[checked(map.Rows * map.Columns * own.Length)];
        var place = 0;
        for (var y = 0; y < map.Rows; y++)
        for (var x = 0; x < map.Columns; x++)
        for (var i = 0; i < own.Length; i++)
            all[place++] = own[i] + (i % 2 == 0 ? x * stride.Across : y * stride.Down);
        return Tensor.From(all, all.Length / 4, 4);
    }

    /// <summary>Which anchors of a level belong to positions of an image, where a batch is padded to a larger one.</summary>
    /// <param name="map">Rows and columns of the level's map.</param>
    /// <param name="image">Height and width of the image with its own padding, in pixels.</param>
    /// <param name="stride">Pixels of the image from one position to the next, down and across.</param>
    /// <returns>For each anchor of <see cref="Grid"/>.</returns>
    public bool[] Valid((int Rows, int Columns) map, (int Height, int Width) image, (float Down, float Across) stride)
    {
        var (rows, columns) = ((int)MathF.Ceiling(image.Height / stride.Down), (int)MathF.Ceiling(image.Width / stride.Across));
        var valid = new bool[checked(map.Rows * map.Columns * PerPosition)];
        for (var y = 0; y < Math.Min(rows, map.Rows); y++)
            valid.AsSpan(y * map.Columns * PerPosition, Math.Min(columns, map.Columns) * PerPosition).Fill(true);
        return valid;
    }
}
