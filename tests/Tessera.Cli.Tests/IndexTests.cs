using System.Text.Json;
using Tessera.Cli.Shell;
using Tessera.Models;

namespace Tessera.Cli.Tests;

/// <summary><c>tessera index</c> on small pictures, with the model of a small run.</summary>
public sealed class IndexTests(TrainedRun run) : IClassFixture<TrainedRun>
{
    private const int Side = Workplace.Side;

    private static readonly string[] folders = ["dress", "coat", "bag"];
    private static readonly int[] labels = [3, 4, 8];

    // A grey picture of a class: its row is bright.
    private static string Write(string folder, string name, int label, int seed)
    {
        Directory.CreateDirectory(folder);
        var pixels = new byte[Side * Side];
        new Random(seed).NextBytes(pixels);
        for (var i = 0; i < pixels.Length; i++)
            pixels[i] = i / Side == label + 1 ? (byte)255 : (byte)(pixels[i] / 4);
        var path = Path.Combine(folder, name);
        File.WriteAllBytes(path, [.. System.Text.Encoding.ASCII.GetBytes($"P5\n{Side} {Side}\n255\n"), .. pixels]);
        return path;
    }

    // Four pictures in each of three folders.
    private string Photos(string name)
    {
        var root = Path.Combine(run.Place.Folder, name);
        foreach (var (folder, label) in folders.Zip(labels))
            for (var i = 0; i < 4; i++)
                Write(Path.Combine(root, folder), $"{i}.pgm", label, 100 * label + i);
        return root;
    }

    private Ended Index(params string[] arguments) => run.Place.Run(["index", .. arguments]);

    private JsonElement Json(params string[] arguments) => Index([.. arguments, "--json"]).Succeeded().Json;

    [Fact]
    public void Pictures_are_found_by_likeness_and_an_index_grows_and_shrinks()
    {
        var photos = Photos("photos");
        var built = Json("build", "a.index", photos, "--model", TrainedRun.Name);
        Assert.Equal(12, built.GetProperty("pictures").GetInt32());
        Assert.Equal(12, built.GetProperty("added").GetInt32());

        var query = Write(Path.Combine(run.Place.Folder, "asked"), "coat.pgm", 4, 7);
        var found = Json("search", "a.index", query, "-k", "4")[0].GetProperty("found").EnumerateArray().ToArray();
        Assert.Equal(4, found.Length);
        Assert.All(found, one => Assert.Equal("coat", one.GetProperty("fields").GetProperty("folder").GetString()));
        double[] similarities = [.. found.Select(one => one.GetProperty("similarity").GetDouble())];
        Assert.Equal(similarities.OrderDescending(), similarities);

        // Nothing is there twice.
        var again = Json("add", "a.index", photos);
        Assert.Equal((0, 12), (again.GetProperty("added").GetInt32(), again.GetProperty("known").GetInt32()));
        Assert.Contains(
            "12 pictures were in the index already and were skipped",
            Index("add", "a.index", photos).Succeeded().Output,
            StringComparison.Ordinal
        );

        // A picture that has changed is described anew, and the old descriptor goes.
        var changed = Write(Path.Combine(photos, "bag"), "3.pgm", 4, 99);
        File.SetLastWriteTimeUtc(changed, new DateTime(2020, 1, 2, 3, 4, 5, DateTimeKind.Utc));
        var replaced = Json("add", "a.index", photos);
        Assert.Equal(
            (1, 11, 12),
            (
                replaced.GetProperty("replaced").GetInt32(),
                replaced.GetProperty("known").GetInt32(),
                replaced.GetProperty("pictures").GetInt32()
            )
        );
        var own = Json("search", "a.index", changed, "-k", "1")[0].GetProperty("found")[0];
        Assert.Equal(changed, own.GetProperty("file").GetString());
        Assert.Equal(1, own.GetProperty("similarity").GetDouble(), 1e-4);
        var id = own.GetProperty("id").GetInt64();
        Assert.NotEqual(
            changed,
            Json("search", "a.index", changed, "-k", "1", "--others")[0].GetProperty("found")[0].GetProperty("file").GetString()
        );

        var removed = Json("remove", "a.index", Path.Combine(photos, "dress"), "--id", $"{id}", "--compact");
        Assert.Equal((5, 7), (removed.GetProperty("removed").GetInt32(), removed.GetProperty("pictures").GetInt32()));
        Assert.DoesNotContain(
            changed,
            Index("search", "a.index", changed, "-k", "12", "--quiet").Succeeded().Lines.Select(line => line.Split('\t')[1])
        );
        // An id is never given again.
        Json("add", "a.index", changed);
        Assert.NotEqual(id, Json("search", "a.index", changed, "-k", "1")[0].GetProperty("found")[0].GetProperty("id").GetInt64());
        Assert.Equal(8, Json("info", "a.index").GetProperty("pictures").GetInt32());
    }

    [Fact]
    public void A_search_among_some_pictures_finds_all_of_them_that_there_are()
    {
        var photos = Photos("fields");
        var table = run.Place.Write(
            "fields.csv",
            """
            file,place,year
            fields/coat/0.pgm,Rome,1999
            fields/coat/1.pgm,"Rome, old",2004
            fields/bag/0.pgm,Rome,2010
            fields/none.pgm,Rome,1
            """
        );
        var built = Index("build", "b.index", photos, "--model", TrainedRun.Name, "--metadata", table, "--field", "owner=Ada").Succeeded();
        Assert.Contains("3 of 12 pictures have a row; 1 row names no picture that was given", built.Output, StringComparison.Ordinal);
        var query = Path.Combine(photos, "dress", "0.pgm");
        string[] Found(string where) =>
            [
                .. Index("search", "b.index", query, "-k", "5", "--where", where, "--quiet")
                    .Succeeded()
                    .Lines.Select(line => Path.GetRelativePath(photos, line.Split('\t')[1]))
                    .Order(StringComparer.Ordinal),
            ];
        Assert.Equal(["bag/0.pgm", "coat/0.pgm"], Found("place=Rome"));
        Assert.Equal(["bag/0.pgm"], Found("place=Rome and year>=2000"));
        Assert.Equal(5, Found("owner=Ada").Length);
        Assert.Empty(Found("owner=Bob"));
        // New fields of a picture that has not changed are not passed over in silence.
        var told = Json("add", "b.index", photos, "--field", "owner=Bob");
        Assert.Equal((12, 12), (told.GetProperty("replaced").GetInt32(), told.GetProperty("pictures").GetInt32()));
        Assert.Equal(4, Json("remove", "b.index", "--where", "folder=coat and owner=Bob").GetProperty("removed").GetInt32());
    }

    [Fact]
    public void Other_weights_and_another_preparation_are_refused_with_both_named()
    {
        var photos = Photos("mixed");
        Json("build", "c.index", photos, "--model", TrainedRun.Name);
        var query = Path.Combine(photos, "bag", "0.pgm");
        var hash = Json("info", "c.index").GetProperty("model_hash").GetString()!;
        var line = Index("search", "c.index", query, "--model", TrainedRun.Name, "--ema").UserError();
        Assert.Contains($"(weights {hash[..12]})", line, StringComparison.Ordinal);
        Assert.Contains("has other weights", line, StringComparison.Ordinal);
        line = Index("build", "c.index", photos, "--model", TrainedRun.Name, "--pool", "gem").UserError();
        Assert.Contains("auto; ", line, StringComparison.Ordinal);
        Assert.Contains("gem 3; ", line, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_of_weights_describes_pictures_whatever_classifier_it_has()
    {
        var weights = Path.Combine(run.Place.Folder, "micro.safetensors");
        using (new Scope())
            Registry.Create("vit_micro_patch4_32", new() { Classes = 3 }).Save(weights);
        var photos = Photos("published");
        var built = Index(
                "build",
                "w.index",
                photos,
                "--model",
                "vit_micro_patch4_32",
                "--checkpoint",
                "micro.safetensors",
                "--pool",
                "cls"
            )
            .Succeeded();
        Assert.Contains("the classifier starts fresh", built.Output, StringComparison.Ordinal);
        // It starts anew each time, and the descriptors do not depend on it.
        var query = Path.Combine(photos, "bag", "0.pgm");
        var own = Json("search", "w.index", query, "-k", "1")[0].GetProperty("found")[0];
        Assert.Equal(query, own.GetProperty("file").GetString());
        Assert.Equal(1, own.GetProperty("similarity").GetDouble(), 1e-4);
        var notes = Json("info", "w.index").GetProperty("notes");
        Assert.Equal(weights, notes.GetProperty("checkpoint").GetString());
        Assert.StartsWith("cls; ", notes.GetProperty("preparation").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Pictures_that_cannot_be_read_are_named_and_the_others_are_there()
    {
        var photos = Photos("broken");
        File.WriteAllText(Path.Combine(photos, "bag", "torn.png"), "no picture");
        File.WriteAllText(Path.Combine(photos, "notes.txt"), "no picture either");
        var ended = Index("build", "d.index", photos, "--model", TrainedRun.Name, "--json").Succeeded();
        Assert.Equal(12, ended.Json.GetProperty("added").GetInt32());
        Assert.EndsWith(
            "torn.png",
            Assert.Single(ended.Json.GetProperty("unreadable").EnumerateArray()).GetProperty("file").GetString(),
            StringComparison.Ordinal
        );
        Assert.Contains("torn.png cannot be read and was left out", ended.Error, StringComparison.Ordinal);
        Assert.Contains(".txt (1)", ended.Error, StringComparison.Ordinal);
    }

    private const int Interrupt = 2,
        Kill = 9;

    [Theory]
    [InlineData(Interrupt)]
    [InlineData(Kill)]
    public void A_build_that_is_stopped_keeps_what_it_has_and_goes_on_by_the_same_command(int signal)
    {
        var (photos, index) = (Path.Combine(run.Place.Folder, "many"), $"stopped-{signal}.index");
        for (var i = 0; i < 1500; i++)
            Write(photos, $"{i:0000}.pgm", i % 10, i);
        string[] command = ["index", "build", index, photos, "--model", TrainedRun.Name, "--batch"];
        Ended stopped;
        using (var building = CommandLineTool.StartUntil(run.Place.Folder, "indexed ", [.. command, "1"]))
        {
            building.Send(signal);
            stopped = building.End();
        }
        Assert.Equal(signal == Kill ? 128 + Kill : ExitCode.Interrupted, stopped.Code);
        if (signal == Interrupt)
            Assert.Contains("the same command goes on", stopped.Output, StringComparison.Ordinal);
        var before = Json("info", index).GetProperty("pictures").GetInt32();
        Assert.InRange(before, 1, 1499);

        var ended = run.Place.Run([.. command, "64", "--json"]).Succeeded().Json;
        Assert.Equal((before, 1500), (ended.GetProperty("known").GetInt32(), ended.GetProperty("pictures").GetInt32()));
    }

    [Fact]
    public void Descriptors_are_shortened_by_principal_components()
    {
        var photos = Photos("short");
        var built = Index("build", "f.index", photos, "--model", TrainedRun.Name, "--pca", "3").Succeeded();
        Assert.Matches(@"3 principal components of 12 pictures, with \d+\.\d\d % of the variance", built.Output);
        var info = Json("info", "f.index");
        Assert.Equal(3, info.GetProperty("dimension").GetInt32());
        Assert.Equal("12", info.GetProperty("notes").GetProperty("pca_pictures").GetString());
        var query = Write(Path.Combine(run.Place.Folder, "asked"), "bag.pgm", 8, 5);
        Assert.All(Json("search", "f.index", query, "-k", "4")[0].GetProperty("found").EnumerateArray(), one =>
            Assert.Equal("bag", one.GetProperty("fields").GetProperty("folder").GetString())
        );
        Assert.Contains(
            "has descriptors of 3 numbers by PCA",
            Index("build", "f.index", photos, "--model", TrainedRun.Name).UserError(),
            StringComparison.Ordinal
        );
        Assert.Contains(
            "--pca 12 needs more than 12 pictures",
            Index("build", "g.index", photos, "--model", TrainedRun.Name, "--pca", "12").UserError(),
            StringComparison.Ordinal
        );
        Assert.False(File.Exists(Path.Combine(run.Place.Folder, "g.index")));
    }

    [Fact]
    public void An_index_is_measured_by_folders_by_fields_and_by_other_pictures()
    {
        var photos = Photos("measured");
        var table = run.Place.Write(
            "kinds.csv",
            "file,kind\n"
                + string.Join(
                    '\n',
                    Enumerable.Range(0, 4).SelectMany(i => (string[])[$"measured/coat/{i}.pgm,worn", $"measured/dress/{i}.pgm,worn"])
                )
        );
        Json("build", "m.index", photos, "--model", TrainedRun.Name, "--metadata", table);
        var own = Json("eval", "m.index", "-k", "1,3");
        Assert.Equal(1, own.GetProperty("recall_at_1").GetDouble());
        Assert.Equal(1, own.GetProperty("recall_at_3").GetDouble());
        Assert.Equal(1, own.GetProperty("map").GetDouble(), 1e-9);
        Assert.Equal(3, own.GetProperty("classes").GetInt32());
        Assert.Equal(12, own.GetProperty("evaluation").GetProperty("queries").GetInt32());

        var kinds = Index("eval", "m.index", "--label", "kind").Succeeded().Output;
        Assert.Contains("4 pictures have no field 'kind' and were left out", kinds, StringComparison.Ordinal);
        Assert.Matches(@"recall@1 +100\.00 %", kinds);

        var asked = Path.Combine(run.Place.Folder, "new");
        Write(Path.Combine(asked, "coat"), "a.pgm", 4, 51);
        // In the folder of another class: no picture of its own is near.
        Write(Path.Combine(asked, "bag"), "b.pgm", 3, 52);
        var others = Json("eval", "m.index", "--queries", asked);
        Assert.Equal(0.5, others.GetProperty("recall_at_1").GetDouble());
        Assert.Equal(2, others.GetProperty("evaluation").GetProperty("queries").GetInt32());
        Assert.Equal(12, others.GetProperty("evaluation").GetProperty("searched").GetInt32());
    }

    [Fact]
    public void A_graph_finds_what_exact_search_finds_among_few()
    {
        var photos = Photos("connected");
        Assert.True(Json("build", "n.index", photos, "--model", TrainedRun.Name, "--approximate").GetProperty("graph").GetBoolean());
        var query = Path.Combine(photos, "bag", "0.pgm");
        string[] Found(params string[] more) => [.. Index(["search", "n.index", query, "--quiet", .. more]).Succeeded().Lines];
        Assert.Equal(Found(), Found("--approximate"));
        Assert.Equal(1, Json("eval", "n.index", "--approximate").GetProperty("approximate").GetProperty("recall").GetDouble());
    }

    [Fact]
    public void The_page_shows_and_explains_what_was_found()
    {
        var photos = Photos("shown");
        Json("build", "h.index", photos, "--model", TrainedRun.Name);
        File.Delete(Path.Combine(photos, "bag", "1.pgm"));
        Index("search", "h.index", Path.Combine(photos, "bag", "0.pgm"), "-k", "12", "--page", "found.html", "--explain", "2").Succeeded();
        var page = File.ReadAllText(Path.Combine(run.Place.Folder, "found.html"));
        Assert.Equal(12, page.Split("<img ").Length - 1);
        Assert.Equal(1, page.Split("the file can no longer be read").Length - 1);
        Assert.InRange(page.Split("<svg ").Length - 1, 1, 2);
        Assert.Contains("<circle ", page, StringComparison.Ordinal);
        Assert.DoesNotContain("http", page, StringComparison.Ordinal);
        Assert.Equal(1, Json("remove", "h.index", "--missing").GetProperty("removed").GetInt32());
    }

    [Theory]
    [InlineData("build x.index nowhere --model run", "there is no file or folder nowhere")]
    [InlineData("build x.index data", "--model is required")]
    [InlineData("build x.index data --model run", "there is no picture in it")]
    [InlineData("build x.index few --model run --pool cls", "--pool cls needs a model with a class token")]
    [InlineData("build x.index few --model run --pool blue", "'blue'")]
    [InlineData("build x.index few --model run --gem-power 2", "--gem-power needs --pool gem")]
    [InlineData("build x.index few --model run --pca 100000", "--pca must be at most")]
    [InlineData("build x.index few --model run --pca-from few", "--pca-from needs --pca")]
    [InlineData("build x.index few --model run --field place", "--field must be NAME=VALUE")]
    [InlineData("build x.index few --model run --field folder=x", "field 'folder' is taken")]
    [InlineData("build x.index few --model cct_2_3x2_32", "--checkpoint is required")]
    [InlineData("search none.index few", "none.index")]
    [InlineData("search run/recipe.yaml few", "recipe.yaml")]
    [InlineData("search few.index few -k 0", "-k must be at least 1")]
    [InlineData("search few.index few --approximate", "few.index has no graph")]
    [InlineData("search few.index few --effort 9", "--effort needs --approximate")]
    [InlineData("search few.index few --where year", "year")]
    [InlineData("eval few.index", "two are needed")]
    [InlineData("eval few.index -k 0", "-k must be whole numbers of at least 1")]
    [InlineData("eval few.index --approximate", "few.index has no graph")]
    [InlineData("eval few.index --label size", "0 of its pictures have a field 'size'")]
    [InlineData("remove few.index", "nothing is named that shall go")]
    [InlineData("remove few.index --id one", "not 'one'")]
    [InlineData("remove few.index --id 77", "few.index has no item 77")]
    [InlineData("remove few.index few/none.png", "few.index has no picture few/none.png")]
    public void What_cannot_be_done_is_an_error_of_one_line(string line, string message)
    {
        var few = Path.Combine(run.Place.Folder, "few");
        if (!Directory.Exists(few))
        {
            Write(few, "one.pgm", 1, 1);
            Json("build", "few.index", few, "--model", TrainedRun.Name);
        }
        Assert.Contains(message, Index(line.Split(' ')).UserError(), StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(run.Place.Folder, "x.index")));
    }

    [Fact]
    public void An_index_whose_model_is_gone_says_what_to_do()
    {
        var photos = Photos("moved");
        var copy = Path.Combine(run.Place.Folder, "copy");
        Directory.CreateDirectory(copy);
        foreach (var file in Directory.EnumerateFiles(Path.Combine(run.Folder, "bundle")))
            File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        Json("build", "i.index", photos, "--model", "copy");
        Directory.Move(copy, Path.Combine(run.Place.Folder, "elsewhere"));
        var query = Path.Combine(photos, "bag", "0.pgm");
        Assert.Contains(
            "no longer there: name the folder that it has now by --model",
            Index("search", "i.index", query).UserError(),
            StringComparison.Ordinal
        );
        Json("search", "i.index", query, "--model", "elsewhere");
    }
}
