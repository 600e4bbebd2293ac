namespace Tessera.Data.Checks;

/// <summary>The objects of a split.</summary>
/// <param name="Classes">Objects of each class, in the order of the classes; groups and ignored objects are left out.</param>
/// <param name="PerImage">Number of images with so many objects, from none on.</param>
/// <param name="Crowds">Boxes around groups.</param>
/// <param name="Ignored">Objects that count neither in training nor in measuring.</param>
/// <param name="Masks">Objects with a mask.</param>
/// <param name="Leaving">Objects whose boxes reach over the edges of their images by more than half a pixel.</param>
/// <param name="LooksLikeCorners">
/// Whether over a fifth of the boxes leave their images, and none would if their numbers were corners (x1, y1, x2, y2) instead of a corner
/// and a size (x, y, width, height).
/// </param>
/// <param name="Outside">Objects whose boxes have nothing in common with their images.</param>
/// <param name="Flat">Objects without an area: a box of no width or height, or an area of 0 that is stated.</param>
/// <param name="Tiny">Objects with an area that are at most a pixel wide or high.</param>
/// <param name="Doubled">Objects with the class and the box of an earlier one of their image.</param>
/// <param name="Blank">Objects whose masks have no pixel.</param>
/// <param name="Unfit">Objects whose masks do not fit their boxes.</param>
/// <param name="Unequal">Images of another size than their annotations are for.</param>
public sealed record BoxesReport(
    IReadOnlyList<ClassObjects> Classes,
    IReadOnlyList<int> PerImage,
    int Crowds,
    int Ignored,
    int Masks,
    int Leaving,
    bool LooksLikeCorners,
    IReadOnlyList<NamedObject> Outside,
    IReadOnlyList<NamedObject> Flat,
    IReadOnlyList<NamedObject> Tiny,
    IReadOnlyList<NamedObject> Doubled,
    IReadOnlyList<NamedObject> Blank,
    IReadOnlyList<NamedObject> Unfit,
    IReadOnlyList<UnequalImage> Unequal
)
{
    /// <summary>Least area in square pixels of the original of a medium object, as COCO has it.</summary>
    public const double MediumArea = 32 * 32;

    /// <summary>Least area in square pixels of the original of a large object, as COCO has it.</summary>
    public const double LargeArea = 96 * 96;

    /// <summary>Objects of all classes.</summary>
    public int Objects => Classes.Sum(own => own.Objects);

    /// <summary>Objects of less than 32 x 32 square pixels of the original.</summary>
    public int Small => Classes.Sum(own => own.Small);

    /// <summary>Objects of 32 x 32 square pixels or more, and less than 96 x 96.</summary>
    public int Medium => Classes.Sum(own => own.Medium);

    /// <summary>Objects of 96 x 96 square pixels or more.</summary>
    public int Large => Classes.Sum(own => own.Large);

    /// <summary>Images without an object.</summary>
    public int Without => PerImage[0];

    /// <summary>Objects per image on average; 0 where there is no image.</summary>
    public double Mean => PerImage.Sum() is > 0 and var images ? Objects / (double)images : 0;

    /// <summary>Most objects of an image.</summary>
    public int Most => PerImage.Count - 1;
}

/// <summary>The objects of a class; groups and ignored objects are left out.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Objects">How many it has.</param>
/// <param name="Images">Images with at least one.</param>
/// <param name="Small">Objects of less than 32 x 32 square pixels of the original.</param>
/// <param name="Medium">Objects between the two others.</param>
/// <param name="Large">Objects of 96 x 96 square pixels or more.</param>
/// <param name="Example">Position of the image with the most of them; null where there is none.</param>
public sealed record ClassObjects(string Name, int Objects, int Images, int Small, int Medium, int Large, int? Example);

/// <summary>An object of an image.</summary>
/// <param name="Index">Position of its image in the split.</param>
/// <param name="Name">The file of the image, or the name of the sample.</param>
/// <param name="Id">Number of the annotation; 0 where it has none.</param>
/// <param name="Class">Its class.</param>
/// <param name="Box">In pixels of the original.</param>
/// <param name="Mask">The box around its mask, where that is what the finding is about.</param>
public sealed record NamedObject(int Index, string Name, long Id, string Class, ObjectBox Box, ObjectBox? Mask = null);

/// <summary>An image of another size than its annotations are for.</summary>
/// <param name="Index">Position in the split.</param>
/// <param name="Name">Its file, or the name of the sample.</param>
/// <param name="Stated">The size that its annotations state, or that its masks have.</param>
/// <param name="Image">Its size as training sees it.</param>
public sealed record UnequalImage(int Index, string Name, ImageSize Stated, ImageSize Image);
