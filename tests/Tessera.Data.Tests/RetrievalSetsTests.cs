using Tessera.Data.Checks;
using Tessera.Data.Formats;
using Tessera.Data.Imaging;
using Tessera.Data.Sets;
using Tessera.Testing;

namespace Tessera.Data.Tests;

/// <summary>Sets for retrieval: classes apart from each other, queries and galleries, landmarks.</summary>
public sealed class RetrievalSetsTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    private string Refusal(string name, string split = "test") =>
        Assert.ThrowsAny<DataException>(() => Datasets.Open(name, split, folder.Path)).Message;

    private string[] Below(Dataset data) =>
        [.. Enumerable.Range(0, data.Count).Select(i => Path.GetRelativePath(folder.Path, data.SampleName(i)))];

    [Fact]
    public void Products_have_the_classes_of_their_split_alone()
    {
        const string Head = "image_id class_id super_class_id path\n";
        folder.Write("Ebay_train.txt", Head + "1 1 1 bicycle_final/1_0.JPG\n2 1 1 bicycle_final/1_1.JPG\n3 2 4 cabinet_final/2_0.JPG\n");
        folder.Write("Ebay_test.txt", Head + "4 11319 1 bicycle_final/9_0.JPG\n");
        var train = Datasets.Open("sop", "train", folder.Path);
        Assert.Equal(["bicycle 1", "cabinet 2"], train.ClassNames);
        Assert.Equal([0, 0, 1], ClassLabels.Of(train).Labels);
        Assert.Equal(["bicycle_final/1_0.JPG", "bicycle_final/1_1.JPG", "cabinet_final/2_0.JPG"], Below(train));
        var test = Datasets.Open("sop", "test", folder.Path);
        Assert.Equal(["bicycle 11319"], test.ClassNames);
        Assert.Empty(test.ClassNames.Intersect(train.ClassNames));
    }

    [Fact]
    public void A_check_expects_other_classes_in_test_and_finds_those_of_training_there()
    {
        const string Head = "image_id class_id super_class_id path\n";
        for (var image = 0; image < 4; image++)
            folder.Write($"a_final/{image}.JPG", Pnm.Grey(10 * image, 40, 40));
        folder.Write("Ebay_train.txt", Head + "1 1 1 a_final/0.JPG\n2 2 1 a_final/1.JPG\n");
        folder.Write("Ebay_test.txt", Head + "3 3 1 a_final/2.JPG\n4 4 1 a_final/3.JPG\n");
        Assert.DoesNotContain(Said(), said => said.Contains("does not have", StringComparison.Ordinal));
        folder.Write("Ebay_test.txt", Head + "3 2 1 a_final/2.JPG\n4 4 1 a_final/3.JPG\n");
        Assert.Contains(Said(), said => said.Contains("train has 1 class of this split too", StringComparison.Ordinal));

        string[] Said() => [.. DatasetCheck.Run(OpenedSplits.Open("sop", folder.Path)).Findings.Select(finding => finding.Text)];
    }

    [Theory]
    [InlineData("image_id class_id path\n1 1 a/b.JPG\n", "line 1 must be 'image_id class_id super_class_id path'")]
    [InlineData("image_id class_id super_class_id path\n1 1 a/b.JPG\n", "line 2: it must have 4 cells")]
    [InlineData("image_id class_id super_class_id path\n1 x 1 a/b.JPG\n", "line 2: class_id must be a number, not 'x'")]
    [InlineData("image_id class_id super_class_id path\n1 1 1 ../b.JPG\n", "line 2: '../b.JPG' must be a path below")]
    [InlineData("image_id class_id super_class_id path\n", "there is no image of test")]
    public void Broken_lists_of_products_are_refused_with_their_line(string list, string said)
    {
        folder.Write("Ebay_train.txt", list);
        folder.Write("Ebay_test.txt", list);
        Assert.Contains(said, Refusal("sop"), StringComparison.Ordinal);
    }

    private void Clothes(string count = "5", string status = "query") =>
        folder.Write(
            "Eval/list_eval_partition.txt",
            $"{count}\nimage_name item_id evaluation_status\n"
                + "img/W/a.jpg              id_00000001 train\n"
                + $"img/W/b.jpg              id_00000002 {status}\n"
                + "img/W/c.jpg              id_00000002 gallery\n"
                + "img/W/d.jpg              id_00000003 gallery\n"
                + "img/W/e.jpg              id_00000002 gallery\n"
        );

    [Fact]
    public void Clothes_are_queries_and_a_gallery()
    {
        Clothes();
        Directory.CreateDirectory(folder["img"]);
        Assert.Equal(["id_00000001"], Datasets.Open("in_shop", "train", folder.Path).ClassNames);
        var test = Datasets.Open("in_shop", "test", folder.Path);
        var roles = Assert.IsType<QueryGalleryLabels>(test.Annotations);
        Assert.Equal([true, false, false, false], roles.IsQuery);
        Assert.Equal([0, 0, 1, 0], roles.Labels);
        Assert.Equal(["img/W/b.jpg", "img/W/c.jpg", "img/W/d.jpg", "img/W/e.jpg"], Below(test));
        var part = Assert.IsType<QueryGalleryLabels>(test.Part([3, 0]).Annotations);
        Assert.Equal([false, true], part.IsQuery);
        Assert.Equal([0, 0], part.Labels);
        Assert.Equal(1, Datasets.Open("in_shop", "query", folder.Path).Count);
        Assert.Equal(3, Datasets.Open("in_shop", "gallery", folder.Path).Count);
    }

    [Fact]
    public void Clothes_lie_in_Img_as_in_the_archives()
    {
        Clothes();
        Directory.CreateDirectory(folder["Img/img"]);
        Assert.Equal(["Img/img/W/a.jpg"], Below(Datasets.Open("in_shop", "train", folder.Path)));
    }

    [Fact]
    public void A_list_of_clothes_with_another_count_or_role_is_refused()
    {
        Clothes(count: "6");
        Assert.Contains("line 1 is '6', and 5 images follow", Refusal("in_shop"), StringComparison.Ordinal);
        Clothes(status: "asked");
        Assert.Contains("line 4: 'asked' must be train, query or gallery", Refusal("in_shop"), StringComparison.Ordinal);
    }

    [Fact]
    public void Birds_for_retrieval_are_divided_by_class()
    {
        folder.Write("images.txt", "1 001.A/a.jpg\n2 001.A/b.jpg\n3 150.B/c.jpg\n");
        folder.Write("image_class_labels.txt", "1 1\n2 1\n3 150\n");
        folder.Write("train_test_split.txt", "1 0\n2 1\n3 1\n");
        folder.Write("classes.txt", string.Concat(Enumerable.Range(1, 200).Select(i => $"{i} {i:D3}.X\n")));
        var (train, test) = (
            Datasets.Open("cub200_retrieval", "train", folder.Path),
            Datasets.Open("cub200_retrieval", "test", folder.Path)
        );
        Assert.Equal(("cub200_retrieval", "train"), (train.Name, train.Split));
        Assert.Equal(["001.X"], train.ClassNames);
        Assert.Equal([0, 0], ClassLabels.Of(train).Labels);
        Assert.Equal(["150.X"], test.ClassNames);
        Assert.Equal([0], ClassLabels.Of(test).Labels);
    }

    private static Dictionary<string, object?> Query(object? box = null, object? easy = null, object? hard = null, object? junk = null) =>
        new()
        {
            ["bbx"] = box ?? new object[] { 1.5, 0.5, 3.5, 2.0 },
            ["easy"] = easy ?? new object[] { 2 },
            ["hard"] = hard ?? Array.Empty<object>(),
            ["junk"] = junk ?? new object[] { 0 },
        };

    private static Dictionary<string, object?> Truth(Dictionary<string, object?>? query = null) =>
        new()
        {
            ["imlist"] = new object[] { "a", "b", "c" },
            ["qimlist"] = new object[] { "b" },
            ["gnd"] = new object?[] { query ?? Query() },
        };

    private void Write(object? truth) => folder.Write("gnd_roxford5k.pkl", PickleWriter.Of(truth));

    private static string Lists(params IReadOnlyList<int>[] lists) => string.Join('|', lists.Select(list => string.Join(' ', list)));

    [Fact]
    public void Landmarks_are_searched_images_and_queries_that_are_cut_out_of_theirs()
    {
        Write(Truth());
        byte[] pixels = [.. Enumerable.Range(0, 5 * 4).SelectMany(i => Enumerable.Repeat((byte)(10 * i), 3))];
        // What is called a JPEG is read by its content.
        foreach (var name in (string[])["a", "b", "c"])
            folder.Write($"jpg/{name}.jpg", Pnm.Pixels(5, 4, pixels));
        var set = Datasets.OpenImages("roxford5k", "test", folder.Path);
        Assert.Equal(["jpg/a.jpg", "jpg/b.jpg", "jpg/c.jpg", "jpg/b.jpg"], Below(set));
        var query = Assert.Single(Assert.IsType<LandmarkQueries>(set.Annotations).Queries);
        Assert.Equal(3, query.Sample);
        Assert.Equal("2||0", Lists(query.Easy, query.Hard, query.Junk));
        var image = new Raster();
        set.Read(1, image);
        Assert.Equal((4, 5), (image.Height, image.Width));
        // From 2, 0 to 4, 2: halves become the even number.
        set.Read(3, image);
        Assert.Equal((2, 2), (image.Height, image.Width));
        Assert.Equal([20, 30, 70, 80], image.Plane(0).ToArray());
        var part = Assert.IsType<LandmarkQueries>(set.Part([3, 2, 1]).Annotations);
        Assert.Equal((0, 1), (Assert.Single(part.Queries).Sample, Assert.Single(part.Queries[0].Easy)));
        Assert.Empty(part.Queries[0].Junk);
    }

    [Fact]
    public void A_box_is_cut_at_the_edges_and_one_outside_is_an_unreadable_image()
    {
        foreach (var name in (string[])["a", "b", "c"])
            folder.Write($"jpg/{name}.jpg", Pnm.Grey(7, 5, 4));
        var image = new Raster();
        Write(Truth(Query(new object[] { -3, 2, 900, 900 })));
        Datasets.OpenImages("roxford5k", "test", folder.Path).Read(3, image);
        Assert.Equal((2, 5), (image.Height, image.Width));
        Write(Truth(Query(new object[] { 5, 2, 9, 9 })));
        var set = Datasets.OpenImages("roxford5k", "test", folder.Path);
        Assert.Contains("lies outside of its 5x4 pixels", Assert.Throws<UnreadableImageException>(() => set.Read(3, image)).Message);
    }

    [Fact]
    public void Arrays_of_numpy_are_lists_of_numbers_too()
    {
        var truth = RevisitedTruth.Read(Repository.Tests("goldens", "datasets", "gnd.pkl"));
        Assert.Equal(["all_souls_000013", "all_souls_000026", "oxford_003410"], truth.Images);
        var query = Assert.Single(truth.Queries);
        Assert.Equal((136.5, 34.1, 648.5, 955.7), query.Box);
        Assert.Equal("1|2|", Lists(query.Easy, query.Hard, query.Junk));
    }

    [Fact]
    public void A_pickle_that_would_call_something_is_refused_by_its_name()
    {
        folder.Write("gnd_rparis6k.pkl", "cos\nsystem\n(S'true'\ntR.");
        var said = Refusal("rparis6k");
        Assert.Contains("gnd_rparis6k.pkl", said, StringComparison.Ordinal);
        Assert.Contains("os.system", said, StringComparison.Ordinal);
    }

    public static TheoryData<string, string> Wrong =>
        new()
        {
            { "no fields", "imlist is missing" },
            { "a list", "the file must be a dictionary with imlist, qimlist and gnd, not a list" },
            { "more queries", "gnd has 1 entries and qimlist 2" },
            { "a name above", "imlist[0]: '../a' must be a path below the folder of images" },
            { "a number for a name", "imlist[1] must be the name of an image, not a number" },
            { "the same name", "imlist[2]: 'a' is imlist[0] already" },
            { "no box", "gnd[0].bbx must be left, top, right and bottom of a box" },
            { "an endless box", "gnd[0].bbx must be left, top, right and bottom of a box" },
            { "a place too far", "gnd[0].easy[0] is 3, and must be a place in imlist, from 0 to 2" },
            { "half a place", "gnd[0].hard[0] is 0.5, and must be a place in imlist" },
            { "a truth value", "gnd[0].junk[0] must be a number, not a truth value" },
            { "twice the same", "gnd[0].junk[0]: image 2 is in gnd[0].easy already" },
            { "a text", "gnd[0].easy must be a list of numbers, not a text" },
        };

    [Theory]
    [MemberData(nameof(Wrong))]
    public void Ground_truth_that_cannot_be_is_refused_with_its_field(string what, string said)
    {
        var good = Truth();
        Write(
            what switch
            {
                "no fields" => new Dictionary<string, object?>(),
                "a list" => new object[] { 1 },
                "more queries" => new Dictionary<string, object?>(good) { ["qimlist"] = new object[] { "b", "c" } },
                "a name above" => new Dictionary<string, object?>(good) { ["imlist"] = new object[] { "../a" } },
                "a number for a name" => new Dictionary<string, object?>(good) { ["imlist"] = new object[] { "a", 1 } },
                "the same name" => new Dictionary<string, object?>(good) { ["imlist"] = new object[] { "a", "b", "a" } },
                "no box" => Truth(Query(new object[] { 1, 2, 3 })),
                "an endless box" => Truth(Query(new object[] { 1, 2, double.NaN, 4 })),
                "a place too far" => Truth(Query(easy: new object[] { 3 })),
                "half a place" => Truth(Query(hard: new object[] { 0.5 })),
                "a truth value" => Truth(Query(junk: new object[] { true })),
                "twice the same" => Truth(Query(junk: new object[] { 2 })),
                _ => Truth(Query(easy: "2")),
            }
        );
        var found = Refusal("roxford5k");
        Assert.Contains("gnd_roxford5k.pkl: ", found, StringComparison.Ordinal);
        Assert.Contains(said, found, StringComparison.Ordinal);
    }

    [Fact]
    public void A_tree_has_a_class_for_every_folder_that_holds_images()
    {
        foreach (var file in (string[])["train/Greek/one/1.pgm", "train/Greek/two/1.pgm", "train/Latin/one/1.pgm", "test/Futurama/x/1.pgm"])
            folder.Write(file, Pnm.Grey(1));
        var train = Datasets.Open("image_tree", "train", folder.Path);
        Assert.Equal(["Greek/one", "Greek/two", "Latin/one"], train.ClassNames);
        Assert.Equal([0, 1, 2], ClassLabels.Of(train).Labels);
        Assert.Equal(["Futurama/x"], Datasets.Open("image_tree", "test", folder.Path).ClassNames);
        folder.Write("train/loose.pgm", Pnm.Grey(1));
        Assert.Contains("loose.pgm lies in no folder of a class", Refusal("image_tree", "train"), StringComparison.Ordinal);
    }

    [Fact]
    public void Names_begin_with_their_class_and_end_with_a_number()
    {
        foreach (var file in (string[])["obj1__0.pgm", "obj1__12.pgm", "obj20__3.pgm", "great_cat-7.pgm"])
            folder.Write(file, Pnm.Grey(1));
        var all = Datasets.Open("image_names", "all", folder.Path);
        Assert.Equal(["great_cat", "obj1", "obj20"], all.ClassNames);
        Assert.Equal([0, 1, 1, 2], ClassLabels.Of(all).Labels);
        folder.Write("42.pgm", Pnm.Grey(1));
        Assert.Contains("42.pgm is a number alone: names must begin with their class", Refusal("image_names", "all"));
    }

    [Fact]
    public void Classes_are_divided_by_their_names_and_the_seed()
    {
        string[] names = ["a", "b", "c", "d", "e", "f"];
        foreach (var name in names)
            folder.Write($"train/{name}/1.pgm", Pnm.Grey(1));
        foreach (var name in names.Append("x"))
            folder.Write($"test/{name}/1.pgm", Pnm.Grey(1));
        var (train, test) = (Datasets.Open("image_folder", "train", folder.Path), Datasets.Open("image_folder", "test", folder.Path));
        var drawn = ClassSplit.Draw(train, 4, 3);
        Assert.Equal(4, drawn.Count);
        Assert.Equal(drawn, ClassSplit.Draw(train, 4, 3));
        Assert.Contains(Enumerable.Range(0, 20), seed => !ClassSplit.Draw(train, 4, (ulong)seed).SequenceEqual(drawn));
        var seen = ClassSplit.Part(train, drawn.Contains, "seen");
        var unseen = ClassSplit.Part(test, name => !drawn.Contains(name), "unseen");
        Assert.Equal(drawn, seen.ClassNames);
        Assert.Equal([0, 1, 2, 3], ClassLabels.Of(seen).Labels);
        Assert.Equal([.. names.Except(drawn), "x"], unseen.ClassNames);
        foreach (var count in (int[])[0, 6, 7])
            Assert.Contains(
                $"must be from 1 to 5, not {count}",
                Assert.Throws<DataException>(() => ClassSplit.Draw(train, count, 0)).Message,
                StringComparison.Ordinal
            );
    }
}
