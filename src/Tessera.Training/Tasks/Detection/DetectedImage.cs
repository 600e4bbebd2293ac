using Tessera.Data;

namespace Tessera.Training.Tasks.Detection;

/// <summary>How the detections of one image compare with its objects: at an overlap of 0.5, of those that are shown to people.</summary>
/// <param name="Index">Position in the data set.</param>
/// <param name="Objects">Objects to be found.</param>
/// <param name="Found">Objects that were found.</param>
/// <param name="FalseAlarms">Detections that found none.</param>
public sealed record DetectedImage(int Index, int Objects, int Found, int FalseAlarms)
{
    /// <summary>Objects that were not found.</summary>
    public int Missed => Objects - Found;

    /// <summary>
    /// Twice what was found over what was there and what was said to be there; 1 where there is nothing and nothing was said.
    /// </summary>
    public double F1 => Objects + Found + FalseAlarms == 0 ? 1 : 2.0 * Found / (Objects + Found + FalseAlarms);
}

/// <summary>Something that went wrong in an image.</summary>
/// <param name="Index">Position of the image in the data set.</param>
/// <param name="Box">In pixels of the original.</param>
/// <param name="Class">Of the detection, or of the object that was missed.</param>
/// <param name="Score">Of a false alarm; null for an object that was missed.</param>
public sealed record DetectionError(int Index, ObjectBox Box, int Class, double? Score)
{
    /// <summary>How much it is worth a look: the score of a false alarm, the area of a missed object.</summary>
    internal double Weight => Score ?? Box.Area;
}

/// <summary>Compares the detections of an image with its objects as a person would who looks at the picture.</summary>
/// <param name="Image">The counts.</param>
/// <param name="Errors">What was missed, and what was seen that is not there.</param>
internal sealed record ImageFindings(DetectedImage Image, IReadOnlyList<DetectionError> Errors)
{
    private const double LeastOverlap = 0.5;

    /// <summary>Each detection, the surest first, finds the free object of its class that it overlaps most.</summary>
    /// <param name="index">Position of the image in the data set.</param>
    /// <param name="truth">All objects; groups and ignored ones count neither way.</param>
    /// <param name="detections">Those that are shown, the surest first.</param>
    internal static ImageFindings Of(int index, IReadOnlyList<ImageObject> truth, IEnumerable<DetectedObject> detections)
    {
        var taken = new bool[truth.Count];
        List<DetectionError> errors = [];
        foreach (var one in detections)
        {
            var (best, match, excused) = (LeastOverlap, -1, false);
            for (var i = 0; i < truth.Count; i++)
            {
                if (truth[i].Class != one.Class || Overlap.OfBoxes(one, truth[i]) is not (>= LeastOverlap and var overlap))
                    continue;
                if (!truth[i].IsTrained)
                    excused = true;
                else if (!taken[i] && overlap >= best)
                    (best, match) = (overlap, i);
            }
            if (match >= 0)
                taken[match] = true;
            else if (!excused)
                errors.Add(new(index, one.Box, one.Class, one.Score));
        }
        var alarms = errors.Count;
        for (var i = 0; i < truth.Count; i++)
            if (truth[i].IsTrained && !taken[i])
                errors.Add(new(index, truth[i].Box, truth[i].Class, null));
        return new(new(index, truth.Count(one => one.IsTrained), taken.Count(one => one), alarms), errors);
    }
}
