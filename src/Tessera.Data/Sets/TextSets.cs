using System.Text;
using Tessera.Data.Formats;
using Tessera.Data.Text;

namespace Tessera.Data.Sets;

/// <summary>Sets of labelled texts.</summary>
internal static class TextSets
{
    private static readonly string[] questionClasses = ["ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"];

    internal static DatasetKind AgNews { get; } =
        new("ag_news", "127,600 news items, 4 topics", ["train", "test"], "ag_news", (split, root) =>
        {
            var path = Path.Combine(Places.Find("ag_news", root, "ag_news", $"{split}.csv"), $"{split}.csv");
            var records = DelimitedText.Read(path, ',', 3, quoted: true);
            // Line breaks are written as a backslash and an n, or a backslash alone.
            var texts = records.Select(record =>
                $"{record.Fields[1]} {record.Fields[2]}".Replace("\\n", " ", StringComparison.Ordinal).Replace('\\', ' ')
            );
            return new TextDataset(
                "ag_news",
                split,
                [.. texts],
                new ClassLabels(
                    ["World", "Sports", "Business", "Sci/Tech"],
                    [.. records.Select(record => Label(path, record.Line, record.Fields[0], 1, 4))]
                )
            );
        });

    internal static DatasetKind Trec { get; } = new("trec", "5,952 questions, 6 kinds", ["train", "test"], "trec", (split, root) =>
        {
            var file = split == "train" ? "train_5500.label" : "TREC_10.label";
            var path = Path.Combine(Places.Find("trec", root, "trec", file), file);
            var (texts, labels) = (new List<string>(), new List<int>());
            foreach (var (number, line) in Encoding.Latin1.GetString(DataFiles.ReadAll(path)).Split('\n').Index())
            {
                if (line.Trim().Length == 0)
                    continue;
                // The kind, a colon, a finer kind, a space, the question.
                var (colon, space) = (line.IndexOf(':'), line.IndexOf(' '));
                var label = colon > 0 && space > colon ? Array.IndexOf(questionClasses, line[..colon]) : -1;
                if (label < 0)
                    throw new DataFormatException(
                        path,
                        null,
                        $"line {number + 1}: a line must be one of {string.Join(", ", questionClasses)}, "
                            + "a colon, a finer kind, a space and a question"
                    );
                texts.Add(line[(space + 1)..].TrimEnd());
                labels.Add(label);
            }
            return new TextDataset("trec", split, texts, new ClassLabels(questionClasses, labels));
        });

    internal static DatasetKind Sst2 { get; } =
        new("sst2", "68,221 phrases of film reviews, negative or positive", ["train", "dev"], "SST-2", (split, root) =>
        {
            var path = Path.Combine(Places.Find("sst2", root, "SST-2", $"{split}.tsv"), $"{split}.tsv");
            var records = DelimitedText.Read(path, '\t', 2, quoted: false);
            if (records.Count == 0 || records[0].Fields is not ["sentence", "label"])
                throw new DataFormatException(path, 0, "the first line must be 'sentence', a tab and 'label'");
            return new TextDataset(
                "sst2",
                split,
                [.. records.Skip(1).Select(record => record.Fields[0].Trim())],
                new ClassLabels(
                    ["negative", "positive"],
                    [.. records.Skip(1).Select(record => Label(path, record.Line, record.Fields[1], 0, 1))]
                )
            );
        });

    private static int Label(string path, int line, string text, int first, int last) =>
        int.TryParse(text, out var label) && label >= first && label <= last
            ? label - first
            : throw new DataFormatException(path, null, $"line {line}: label '{text}' must be a number from {first} to {last}");
}
